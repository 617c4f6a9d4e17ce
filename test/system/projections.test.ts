/** Rebuilds, verifications and the move of an event log, as an operator does them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import postgres from "postgres";
import { examplePayload, postOne } from "../support/api.ts";
import { payloadStats } from "../support/cli.ts";
import { type TestProcess, type TestSite, testSite } from "../support/process.ts";
import { temporaryDirectory } from "../support/servers.ts";
import { until } from "../support/until.ts";

const contents = 40;
let site: TestSite;
let running: TestProcess;
let sql: ReturnType<typeof postgres>;

beforeAll(async () => {
  site = await testSite({ WINDOW: "1s", PARTITIONS: "4" });
  running = await site.start();
  sql = postgres(running.databaseUrl, { max: 2, onnotice: () => {} });
  for (let i = 0; i < contents; i++) {
    await postOne(running.url, { ...examplePayload, customer: "moved", content: `c${i}`, p2p: i });
  }
  await rows("stats", contents);
}, 60_000);
afterAll(async () => {
  await sql.end();
  await site.clear();
});

function rows(table: string, count: number) {
  return until(
    async () => {
      const [found] = await sql`
        select count(*)::int as rows from ${sql(table)} where customer = 'moved'`;
      return found?.rows === count;
    },
    { what: `${count} rows of ${table}`, timeoutMs: 20_000 },
  );
}

function cli(...args: string[]) {
  return payloadStats(args, { ADMIN_PORT: new URL(running.adminUrl).port });
}

describe("projection", () => {
  test("rebuild shows its progress on stderr and its result on stdout, and ends with 0 when equal", async () => {
    const { code, stdout, stderr } = await cli("projection", "rebuild", "content_hourly");
    expect(code).toBe(0);
    expect(stderr).toMatch(/content_hourly [█░]+ [\d.]+ %/);
    expect(stdout).toMatch(/^EQUAL +MISSING +EXTRA +DIFFERENT\n\d+ +0 +0 +0\n$/);
  }, 30_000);

  test("a row changed by hand is named by verify and by rebuild, and mended by accept-diff", async () => {
    await sql`update stats set cdn = 123 where content = 'c7' and customer = 'moved'`;
    const verified = await cli("projection", "verify", "stats", "--content", "c7");
    expect(verified.code).toBe(1);
    expect(verified.stdout).toMatch(/different .*cdn=123 .*cdn=1 /);
    expect((await cli("projection", "verify", "stats", "--content", "c8")).code).toBe(0);

    const rebuilt = await cli("projection", "rebuild", "stats");
    expect(rebuilt.code).toBe(1);
    expect(rebuilt.stdout).toContain("content=c7");
    expect(rebuilt.stderr).toContain("projection accept-diff stats");
    const shown = await cli("projection", "show", "stats");
    expect(shown.stdout).toMatch(/^rebuild\.phase +waiting$/m);
    expect(shown.stdout).toMatch(/^different +.*content=c7/m);
    expect(shown.stdout).not.toContain("{");
    const again = await cli("projection", "rebuild", "stats");
    expect({ code: again.code, stderr: again.stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining("A build of this projection is running"),
    });
    expect((await cli("projection", "accept-diff", "stats", "--yes")).code).toBe(0);
    await until(
      async () => {
        const [row] = await sql`
          select cdn::text from stats where content = 'c7' and customer = 'moved'`;
        return row?.cdn === "1";
      },
      { what: "the row to be right again" },
    );
  }, 60_000);

  test("a kill of everything does not end a rebuild", async () => {
    await cli("projection", "pause", "sessions");
    expect((await cli("projection", "rebuild", "sessions", "--no-wait")).code).toBe(0);
    await running.killGroup();
    running = await site.start();
    const shown = await cli("projection", "show", "sessions", "-o", "json");
    expect(JSON.parse(shown.stdout)).toMatchObject({
      state: "paused",
      rebuild: { kind: "rebuild" },
    });
    expect((await cli("projection", "resume", "sessions")).code).toBe(0);
    await until(
      async () => {
        const answer = await fetch(`${running.adminUrl}/admin/projections/sessions`);
        const body: unknown = await answer.json();
        expect(body).toMatchObject({ rebuild: null, lastRebuild: { outcome: "swapped" } });
        return true;
      },
      { what: "the rebuild to be in place", timeoutMs: 20_000 },
    );
  }, 60_000);
});

describe("an event log that is moved", () => {
  test("gives identical tables, and goes on counting after accept-loss", async () => {
    const archive = join(temporaryDirectory(), "events.ndjson.gz");
    const source = { DATABASE_URL: running.databaseUrl };
    expect((await payloadStats(["events", "export", archive], source)).code).toBe(0);
    const before = await snapshot(running.databaseUrl);

    const target = await testSite({ WINDOW: "1s", PARTITIONS: "4" });
    // Without a worker nothing reads the streams yet.
    let moved = await target.start({ ROLES: "admin,projector" });
    const env = { DATABASE_URL: moved.databaseUrl, WINDOW: "1s", PARTITIONS: "4" };
    const imported = await payloadStats(["events", "import", archive], env);
    expect({ code: imported.code, stderr: imported.stderr }).toMatchObject({ code: 0 });
    const after = await until(
      async () => {
        const found = await snapshot(moved.databaseUrl);
        return found === before ? found : undefined;
      },
      { what: "the tables to be identical", timeoutMs: 20_000 },
    );
    expect(after).toBe(before);

    expect(await moved.stop()).toBe(0);
    moved = await target.start();
    const admin = { ADMIN_PORT: new URL(moved.adminUrl).port };
    for (const partition of ["0", "1", "2", "3"]) {
      await until(
        async () =>
          (await payloadStats(["partition", "accept-loss", partition, "--yes"], admin)).code === 0,
        { what: `the loss of partition ${partition} to be accepted`, timeoutMs: 20_000 },
      );
    }
    await postOne(moved.url, { ...examplePayload, customer: "later", cdn: 9 });
    const there = postgres(moved.databaseUrl, { max: 1, onnotice: () => {} });
    await until(
      async () =>
        (await there`select from stats where customer = 'later' and cdn = 9`).length === 1,
      { what: "a new payload to be counted", timeoutMs: 30_000 },
    );
    await there.end();
    expect((await payloadStats(["ledger", "--recount"], admin)).code).toBe(0);
    await target.clear();
  }, 120_000);
});

/** All rows that came from events of the customer whose log is moved. */
async function snapshot(databaseUrl: string): Promise<string> {
  const other = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  const lines: string[] = [];
  for (const table of ["stats", "sessions", "content_hourly"]) {
    const found = await other`
      select t::text as line from ${other(table)} t where customer = 'moved'
      order by t::text collate "C"`;
    lines.push(table, ...found.map(({ line }) => String(line)));
  }
  await other.end();
  return lines.join("\n");
}
