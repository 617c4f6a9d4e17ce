/** What `bun run cluster` and `bun run chaos` refuse, before they start anything. */
import { expect, test } from "bun:test";
import { join } from "node:path";

const folder = join(import.meta.dir, "..", "..", "src", "cli");

async function run(program: string, ...args: string[]) {
  const child = Bun.spawn([process.execPath, join(folder, program), ...args], {
    stdout: "ignore",
    stderr: "pipe",
  });
  const [stderr, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  return { stderr, code };
}

test.each([
  ["cluster.ts", "--port", "abc", "--port <n>"],
  ["cluster.ts", "--port", "65534", "--port <n>"],
  ["cluster.ts", "--data", "", "--data <dir>"],
  ["cluster.ts", "--window", "7s", "WINDOW: "],
  ["cluster.ts", "--partitions", "0", "PARTITIONS: "],
  ["chaos.ts", "--window", "7s", "WINDOW: "],
  ["chaos.ts", "--partitions", "2000", "PARTITIONS: "],
  ["chaos.ts", "--lease", "1h", "LEASE: "],
])(
  "%s %s %s is a wrong command line: exit code 2",
  async (program, name, value, named) => {
    const { code, stderr } = await run(program, name, value);
    expect(stderr).toContain(named);
    expect(stderr).not.toContain("data and logs");
    expect(code).toBe(2);
  },
  30_000,
);
