/** What people see of names, and what becomes of a verb whose reader has left. */
import { expect, spyOn, test } from "bun:test";
import { join } from "node:path";
import { type Column, Output } from "../../src/cli/output.ts";
import { freePort } from "../support/servers.ts";

/** What is written to stdout meanwhile. */
function writtenBy(work: () => void): string[] {
  const written: string[] = [];
  const write = spyOn(process.stdout, "write").mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
  try {
    work();
  } finally {
    write.mockRestore();
  }
  return written;
}

test("signs that turn or break a line, or command a terminal, are written out in tables, and nowhere else", () => {
  const commands = "\u001b[2K\r\u009b31m\u0007\u007f";
  const rows = [{ name: `a\u202eb\u2028c\u{feff}d\u2066e \u{1f469}\u200d\u{1f467}${commands}` }];
  const [table = "", json = ""] = writtenBy(() => {
    new Output("table").rows({}, rows, [["NAME", "name"]]);
    new Output("json").rows(rows, rows, [["NAME", "name"]]);
  });
  expect(table).toContain("a\\u{202e}b\\u{2028}c\\u{feff}d\\u{2066}e \u{1f469}\u200d\u{1f467}");
  expect(table).toContain("\\u{1b}[2K\\u{d}\\u{9b}31m\\u{7}\\u{7f}");
  expect(JSON.parse(json)).toEqual(rows);
});

test("colours are for a terminal, and of the table's own", () => {
  const { isTTY } = process.stdout;
  const env = { ...process.env };
  delete process.env.FORCE_COLOR;
  delete process.env.NO_COLOR;
  const columns: Column[] = [["NAME", "name", () => "red"]];
  const [onTerminal, elsewhere] = writtenBy(() => {
    for (const terminal of [true, false]) {
      process.stdout.isTTY = terminal;
      new Output("table").rows({}, [{ name: "a\u001b[32mb" }], columns);
    }
  });
  process.stdout.isTTY = isTTY;
  Object.assign(process.env, env);
  expect(onTerminal).toContain("\u001b[31ma\\u{1b}[32mb\u001b[39m");
  expect(elsewhere).toBe("NAME\na\\u{1b}[32mb\n");
});

test("a verb whose reader has left ends by itself, with its own exit code", async () => {
  const script = join(import.meta.dir, "..", "..", "src/cli/payloadStats.ts");
  const port = String(await freePort());
  const child = Bun.spawn([process.execPath, script, "doctor"], {
    env: { ...process.env, ADMIN_PORT: port, EMBEDDED_PG_PORT: port, EMBEDDED_NATS_PORT: port },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  await Promise.all([child.stdout.cancel(), child.stderr.cancel()]);
  expect(await child.exited).toBe(1);
});
