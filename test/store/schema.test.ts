import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { migrations } from "../../src/store/migrations.ts";
import { schema } from "../../src/store/schema/schema.ts";

const folder = join(import.meta.dir, "../../src/store/schema");
const files = [...new Bun.Glob("*/*.sql").scanSync({ cwd: folder })].toSorted();

describe("the schema", () => {
  test.each(files)("holds %s once, or a later version does", (path) => {
    const [first, ...later] = migrations.map(({ statements }) => statements);
    const isLater = path.startsWith("versions/");
    const where = isLater ? later.join("\n") : (first ?? "");
    expect(where.split(readFileSync(join(folder, path), "utf8"))).toHaveLength(2);
  });

  test("has one definition of each function, in a file of its name", () => {
    const defined = [...schema.matchAll(/^create (?:or replace )?function (\w+)/gm)];
    const named = files.filter((path) => path.startsWith("functions/"));
    expect(defined.map(([, name]) => name).toSorted()).toEqual(
      named.map((path) => basename(path, ".sql")),
    );
  });
});
