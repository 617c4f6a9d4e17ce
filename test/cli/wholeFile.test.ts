/** Where a file that is written whole ends up, and what is left of one that is not. */
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { writeWhole } from "../../src/cli/wholeFile.ts";
import { temporaryDirectory } from "../support/servers.ts";
import { until } from "../support/until.ts";

test("a link through a linked directory is followed from where it is", async () => {
  const root = temporaryDirectory();
  mkdirSync(join(root, "real", "sub"), { recursive: true });
  mkdirSync(join(root, "here"));
  symlinkSync(join("..", "real", "sub"), join(root, "here", "dir"));
  symlinkSync(join("..", "out"), join(root, "real", "sub", "link"));
  writeFileSync(join(root, "here", "out"), "precious");
  await writeWhole(join(root, "here", "dir", "link"), Readable.from(["new"]), true);
  expect(readFileSync(join(root, "here", "out"), "utf8")).toBe("precious");
  expect(readFileSync(join(root, "real", "out"), "utf8")).toBe("new");
});

test.each(["SIGINT", "SIGTERM"] as const)("%s leaves nothing half done", async (signal) => {
  const directory = temporaryDirectory();
  const source = new URL("../../src/cli/wholeFile.ts", import.meta.url).href;
  const script = `
    import { Readable } from "node:stream";
    import { writeWhole } from ${JSON.stringify(source)};
    async function* endless() {
      for (;;) {
        yield "more";
        await Bun.sleep(1);
      }
    }
    await writeWhole(${JSON.stringify(join(directory, "file"))}, Readable.from(endless()), false);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stderr: "inherit" });
  await until(() => readdirSync(directory).length === 1, { what: "it to write" });
  child.kill(signal);
  expect(await child.exited).toBe({ SIGINT: 130, SIGTERM: 143 }[signal]);
  expect(readdirSync(directory)).toEqual([]);
});
