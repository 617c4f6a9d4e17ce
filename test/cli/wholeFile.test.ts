/** Where a file that is written whole ends up, when its name is a link. */
import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { writeWhole } from "../../src/cli/wholeFile.ts";
import { temporaryDirectory } from "../support/servers.ts";

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
