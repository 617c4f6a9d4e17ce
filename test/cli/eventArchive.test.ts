/** `events export` and `events import`, as an operator runs them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, lstatSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { formatDuration } from "../../src/domain/duration.ts";
import { freshStore, type TestStore, Writer, windowMs, windowOf } from "../store/support.ts";
import { payloadStats } from "../support/cli.ts";
import { freshDatabase, temporaryDirectory } from "../support/servers.ts";

const WINDOW = formatDuration(windowMs);
let store: TestStore;
let directory: string;
let file: string;

beforeAll(async () => {
  store = await freshStore(3);
  for (const partition of [0, 2]) {
    const writer = new Writer(store.partitions, partition);
    for (let window = 1; window <= 3; window++) {
      await writer.commit(windowOf(partition, 4, Date.UTC(2024, 0, 1) + window * windowMs));
    }
  }
  directory = temporaryDirectory();
  file = join(directory, "events.ndjson.gz");
});
afterAll(() => store[Symbol.asyncDispose]());

function archive(verb: "export" | "import", args: readonly string[], env = {}, url = store.url) {
  return payloadStats(["events", verb, ...args], { DATABASE_URL: url, ...env });
}

describe("an export", () => {
  test("does not overwrite a file unless it is told to", async () => {
    await Bun.write(file, "something dear");
    const refused = await archive("export", [file]);
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toContain(`${file} is there already. Add --force to overwrite it.`);
    expect(await Bun.file(file).text()).toBe("something dear");
    expect((await archive("export", [file, "--force"])).code).toBe(0);
    expect(readdirSync(directory)).toEqual(["events.ndjson.gz"]);
  });

  test("that fails leaves nothing behind, under whatever name", async () => {
    const there = readdirSync(directory);
    const { code } = await archive("export", [join(directory, "no", "such.gz")]);
    expect(code).toBe(2);
    expect(readdirSync(directory)).toEqual(there);
  });

  test("of a database without a log says so", async () => {
    const { code, stderr } = await archive(
      "export",
      [join(directory, "never.gz")],
      {},
      await freshDatabase(),
    );
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "nothing was ever started on this database\n",
    });
  });

  test("does not take the place of a pipe or of a link", async () => {
    const own = temporaryDirectory();
    const [pipe, there, name] = ["pipe", "there", "link"].map((one) => join(own, one));
    if (pipe === undefined || there === undefined || name === undefined) throw new Error("no name");
    expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
    const refused = await archive("export", [pipe, "--force"]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("is no file");
    expect(lstatSync(pipe).isFIFO()).toBe(true);

    await Bun.write(there, "old");
    symlinkSync(there, name);
    expect((await archive("export", [name, "--force"])).code).toBe(0);
    expect(lstatSync(name).isSymbolicLink()).toBe(true);
    expect(Bun.file(there).size).toBeGreaterThan(3);
    // Also where it names a file that is not there yet.
    const later = join(own, "later");
    symlinkSync("new", later);
    expect((await archive("export", [later])).code).toBe(0);
    expect(lstatSync(later).isSymbolicLink()).toBe(true);
    expect(readdirSync(own).sort()).toEqual(["later", "link", "new", "pipe", "there"]);
  });

  test.skipIf(!existsSync("/dev/full"))(
    "to a full disk says so and ends, also redirected",
    async () => {
      const command = `"${process.execPath}" src/cli/payloadStats.ts events export - > /dev/full`;
      const env = { ...process.env, DATABASE_URL: store.url };
      const child = Bun.spawn(["sh", "-c", command], { env, stderr: "pipe", timeout: 20_000 });
      const stderr = await new Response(child.stderr).text();
      expect(await child.exited).toBe(1);
      expect(stderr).toMatch(/^cannot write the result: ENOSPC.*$/m);
      expect(stderr).not.toContain("    at ");
    },
  );

  test("to or from a directory is wrong usage, and is told at once", async () => {
    const { code, stderr } = await archive("export", [directory, "--force"]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: `${directory} is a directory\n` });
    expect((await archive("import", [directory], {}, await freshDatabase())).code).toBe(2);
  });

  test("of a log with a gap names partition and position", async () => {
    await using broken = await freshStore(3);
    await new Writer(broken.partitions, 2).commit(windowOf(2, 6, Date.UTC(2024, 0, 1)));
    const gone = join(directory, "gap.gz");
    for (const position of [6, 3]) {
      await broken.database.run((sql) =>
        sql
          .unsafe(
            `alter table events disable trigger all;
             delete from events where partition = 2 and position = ${position}`,
          )
          .simple(),
      );
      const { code, stderr } = await archive("export", [gone], {}, broken.url);
      expect(code).toBe(1);
      expect(stderr).toContain(`partition 2 has no event ${position}`);
      expect(readdirSync(directory).filter((name) => name.includes("gap"))).toEqual([]);
    }
  });
});

describe("an import", () => {
  test("says which settings the database has now, and when it was imported before", async () => {
    const url = await freshDatabase();
    const env = { WINDOW, PARTITIONS: "3" };
    const imported = await archive("import", [file], env, url);
    expect(imported).toMatchObject({ code: 0 });
    expect(imported.stderr).toContain(`WINDOW=${WINDOW} PARTITIONS=3`);
    const again = await archive("import", [file], env, url);
    expect(again).toMatchObject({ code: 0 });
    expect(again.stderr).toContain("this log was imported before");
  });

  test("with other settings than those of the file is refused, also when it is done", async () => {
    const fresh = await freshDatabase();
    const done = await freshDatabase();
    expect((await archive("import", [file], {}, done)).code).toBe(0);
    for (const url of [fresh, done]) {
      for (const [env, wrong] of [
        [{ WINDOW: "1m" }, `WINDOW is 1m, but the log was written with WINDOW=${WINDOW}`],
        [{ PARTITIONS: "4" }, "PARTITIONS is 4, but the log was written with PARTITIONS=3"],
      ] as const) {
        const refused = await archive("import", [file], env, url);
        expect({ code: refused.code, stdout: refused.stdout }).toEqual({ code: 2, stdout: "" });
        expect(refused.stderr).toContain(wrong);
      }
    }
    // The refusal came before anything was fixed in the new database.
    expect((await archive("import", [file], {}, fresh)).code).toBe(0);
  });

  test("of a file that is not there is wrong usage", async () => {
    const url = await freshDatabase();
    expect(await archive("import", [join(directory, "none.gz")], {}, url)).toMatchObject({
      code: 2,
    });
  });
});
