import { expect, test } from "bun:test";
import { basename, join } from "node:path";
import { schema } from "../../src/store/schema/schema.ts";

const folder = join(import.meta.dir, "../../src/store/schema/functions");

test("the schema has one definition of each function, in a file of its name", () => {
  const defined = [...schema.matchAll(/^create (?:or replace )?function (\w+)/gm)];
  const files = [...new Bun.Glob("*.sql").scanSync({ cwd: folder })].toSorted();
  expect(defined.map(([, name]) => name).toSorted()).toEqual(
    files.map((path) => basename(path, ".sql")),
  );
});
