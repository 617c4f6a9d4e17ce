/** The audit and the other rules, on the whole system, by the command line. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "nats";
import postgres from "postgres";
import { asList, asObject, type Json, readObject } from "../support/answers.ts";
import { examplePayload, getPage } from "../support/api.ts";
import { type CliResult, payloadStats } from "../support/cli.ts";
import { type TestProcess, type TestSite, testSite } from "../support/process.ts";
import { sealedThroughMs } from "../support/tables.ts";
import { until } from "../support/until.ts";

let site: TestSite;
let running: TestProcess;
let sql: postgres.Sql;
const receipts: string[] = [];

beforeAll(async () => {
  site = await testSite({ WINDOW: "4s", PARTITIONS: "3" });
  running = await site.start();
  sql = postgres(running.databaseUrl, { max: 1, onnotice: () => {} });
  for (let i = 0; i < 400; i++) {
    const content = `channel ${i % 6}`;
    // Every fourth payload carries no byte, which starts a session once more.
    const cdn = i % 4 === 0 ? 0 : i;
    const payload = { ...examplePayload, content, token: `t${i % 30}`, cdn, sessionDuration: 500 };
    await send(payload, i % 9 === 0 ? `k${i}` : undefined);
    if (i % 9 === 0) await send(payload, `k${i}`);
    await Bun.sleep(25);
  }
  const nowMs = Date.now();
  await until(async () => (await sealedThroughMs(running.databaseUrl)) > nowMs, {
    what: "everything to be sealed",
    timeoutMs: 20_000,
  });
}, 90_000);
afterAll(async () => {
  await sql.end();
  await site.clear();
});

async function send(payload: object, key: string | undefined): Promise<void> {
  const response = await fetch(`${running.url}/stats`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(key !== undefined && { "idempotency-key": key }),
    },
    body: JSON.stringify(payload),
  });
  receipts.push(String((await readObject(response)).receipt));
}

function cli(...args: string[]): Promise<CliResult> {
  return payloadStats([...args, "-o", "json"], {
    DATABASE_URL: running.databaseUrl,
    NATS_URL: running.natsUrl,
    ADMIN_PORT: new URL(running.adminUrl).port,
  });
}

/** The JSON that a verb has written. */
async function answer(code: number, ...args: string[]): Promise<Json> {
  const result = await cli(...args);
  if (result.code !== code) throw new Error(`exit code ${result.code}: ${result.stderr}`);
  return asObject(JSON.parse(result.stdout));
}

function differencesOf(report: Json, list: string): Json[] {
  return asList(report[list]).flatMap((one) => asList(asObject(one).differences).map(asObject));
}

/** Runs a change that the event log refuses, as a superuser can. */
async function tamper(statement: string): Promise<void> {
  await sql.unsafe(
    `alter table events disable trigger all; ${statement}; alter table events enable always trigger
     events_append_only; alter table events enable always trigger events_append_only_rows;`,
  );
}

describe("audit", () => {
  test("of what nobody touched agrees, and says what it read", async () => {
    const report = await answer(0, "audit");
    expect(report.agrees).toBe(true);
    const partitions = asList(report.partitions).map(asObject);
    const events = await sql`select count(*)::int as count from events`;
    const sum = (name: string) => partitions.reduce((all, one) => all + Number(one[name]), 0);
    expect(sum("events")).toBe(Number(events[0]?.count));
    expect(sum("payloads")).toBe(receipts.length);
    expect(partitions.map(({ basis }) => asObject(basis).kind)).toEqual(
      partitions.map(() => "whole-stream"),
    );
    const tables = asList(report.tables).map(asObject);
    const hours = await sql`select count(*)::int as count from content_hourly`;
    expect(tables.map(({ table, rows }) => [table, rows])).toEqual([
      ["stats", sum("events")],
      ["sessions", sum("events")],
      ["content_hourly", hours[0]?.count],
    ]);
  }, 30_000);

  test("of a range reads that range only", async () => {
    const { rows } = await getPage(`${running.url}/stats?order=asc&limit=500`);
    const starts = [...new Set(rows.map(({ windowStart }) => windowStart))];
    const [from, to] = [starts[1] ?? "", starts[2] ?? ""];
    const report = await answer(0, "audit", "--from", from, "--to", to);
    const wanted = rows.filter(({ windowStart }) => windowStart === from);
    const events = asList(report.partitions).map((one) => Number(asObject(one).events));
    expect(events.reduce((all, one) => all + one, 0)).toBe(wanted.length);
  }, 30_000);

  test("names a row that was changed by hand", async () => {
    const [row] = await sql`
      update stats set cdn = cdn + 1 where (time, customer, content) = (
        select time, customer, content from stats order by time, content limit 1
      ) returning time, content, cdn::text
    `;
    const report = await answer(1, "audit");
    expect(differencesOf(report, "partitions")).toEqual([]);
    expect(differencesOf(report, "tables")).toMatchObject([
      {
        table: "stats",
        key: { time: row?.time.toISOString(), customer: "Customer1", content: row?.content },
        recorded: { cdn: row?.cdn },
        expected: { cdn: String(Number(row?.cdn) - 1) },
      },
    ]);
    await sql`update stats set cdn = cdn - 1 where time = ${row?.time} and content = ${row?.content}`;
  }, 30_000);

  test("names rows that nothing explains, and rows that are gone", async () => {
    await sql`insert into sessions values ('2026-01-01T00:00:00Z', 'nobody', 'nothing', 3)`;
    const [gone] = await sql`
      delete from sessions where (time, content) in (
        select time, content from sessions where customer = 'Customer1' limit 1
      ) returning time, customer, content, sessions
    `;
    const found = differencesOf(await answer(1, "audit"), "tables");
    expect(found).toMatchObject([
      {
        table: "sessions",
        key: { customer: "nobody" },
        recorded: { sessions: "3" },
        expected: null,
      },
      { table: "sessions", key: { content: gone?.content }, recorded: null },
    ]);
    await sql`delete from sessions where customer = 'nobody'`;
    await sql`insert into sessions ${sql(gone ?? {})}`;
  }, 30_000);

  test("names events that were changed or removed", async () => {
    const [event] = await sql`
      select partition, position::int, content, data from events order by recorded_at limit 1
    `;
    const where = `partition = ${event?.partition} and position = ${event?.position}`;
    const place = { partition: event?.partition, position: event?.position };
    await tamper(`update events set data = data || '{"duplicates": 99}' where ${where}`);
    expect(differencesOf(await answer(1, "audit"), "partitions")).toMatchObject([
      {
        kind: "different",
        ...place,
        content: event?.content,
        fields: [{ field: "duplicates", recorded: "99" }],
      },
    ]);
    const saved = sql.json(event?.data);
    await tamper(`update events set data = data - 'duplicates' where ${where}`);
    expect(differencesOf(await answer(1, "audit"), "partitions")).toMatchObject([
      { kind: "different", ...place, fields: [{ field: "duplicates", recorded: null }] },
    ]);
    await sql`alter table events disable trigger all`;
    await sql`
      update events set data = ${saved}
      where partition = ${event?.partition} and position = ${event?.position}
    `;
    await tamper("select 1");
    const { agrees } = await answer(0, "audit", "--partition", String(event?.partition));
    expect(agrees).toBe(true);
    const copy = "create temporary table kept as select";
    const columns =
      "partition, position, type, version, customer, content, window_end, data, " +
      "recorded_at, epoch, sealed_by";
    await tamper(
      `${copy} ${columns} from events where ${where}; delete from events where ${where}`,
    );
    const missing = differencesOf(await answer(1, "audit"), "partitions");
    expect(missing).toContainEqual(
      expect.objectContaining({ kind: "missing", content: event?.content, position: null }),
    );
    await tamper(`insert into events (${columns}) select ${columns} from kept`);
    expect((await answer(0, "audit")).agrees).toBe(true);
  }, 60_000);

  test("with a partition that does not exist is wrong usage", async () => {
    expect((await cli("audit", "--partition", "3")).code).toBe(2);
  }, 30_000);
});

/** The rows of a table as text, in order. */
async function textOf(table: string): Promise<string> {
  const rows = await sql.unsafe(
    `select time::text, customer, content, cdn::text, p2p::text, sessions::text from ${table}
     order by time, customer, content`,
  );
  return JSON.stringify(rows);
}

const today = "stats join sessions using (time, customer, content)";

describe("what-if", () => {
  test("with the window that it has is stats and sessions, exactly", async () => {
    const result = await answer(0, "what-if");
    expect(await textOf(String(result.table))).toBe(await textOf(today));
    expect(result).toMatchObject({ basis: "whole-stream", bucket: "4s" });
    expect(result.bytesEqual).toBe(result.buckets);
    expect(result.sessionsEqual).toBe(result.buckets);
  }, 30_000);

  test("with shorter and longer windows adds up to the same bytes", async () => {
    for (const [window, bucket] of [
      ["1s", "4s"],
      ["2s", "4s"],
      ["8s", "8s"],
      ["6s", "12s"],
    ]) {
      const result = await answer(0, "what-if", "--window", String(window));
      expect(result.bucket).toBe(String(bucket));
      expect(result.bytesEqual).toBe(result.buckets);
      expect(Number(result.buckets)).toBeGreaterThan(0);
      if (window !== "1s") continue;
      const different = await sql.unsafe(`
        select from (
          select date_bin('4s', time - interval '1 ms', 'epoch') + interval '4s' as time,
            customer, content, sum(cdn) as cdn, sum(p2p) as p2p
          from ${String(result.table)} group by 1, 2, 3
        ) as summed full join stats using (time, customer, content)
        where (summed.cdn, summed.p2p) is distinct from (stats.cdn::numeric, stats.p2p::numeric)
      `);
      expect(different.length).toBe(0);
    }
  }, 60_000);

  test("says so when the range holds no whole bucket to compare", async () => {
    const [first] = await sql<{ time: Date }[]>`select min(time) as time from stats`;
    const firstMs = first?.time.getTime() ?? 0;
    const at = (beforeMs: number) => new Date(firstMs - beforeMs).toISOString();
    const run = ["what-if", "--window", "1s", "--from", at(3_000), "--to", at(1_000)];
    const { code, stdout, stderr } = await cli(...run);
    expect({ code, result: JSON.parse(stdout) }).toMatchObject({
      code: 0,
      result: { from: at(3_000), to: at(1_000), bucket: "4s", buckets: 0, compared: null },
    });
    expect(stderr).toContain("No whole bucket of 4s lies within these windows");
  }, 30_000);

  test("can count a token once, whatever its bytes", async () => {
    const result = await answer(0, "what-if", "--count-token-once");
    const totals = asObject(result.totals);
    expect(totals.cdn).toBe(String(totals.cdnToday));
    // Thirty tokens in six contents, of which each content meets five.
    expect(totals.sessions).toBe("30");
    expect(Number(totals.sessionsToday)).toBeGreaterThan(100);
  }, 30_000);

  test("touches nothing but its own tables, which can be listed and dropped", async () => {
    const everything = async () => [
      await textOf(today),
      JSON.stringify(await sql`select * from events order by partition, position`),
      JSON.stringify(await sql`select * from quarantine`),
      JSON.stringify(await sql`select name, value from settings order by name`),
    ];
    const before = await everything();
    const { table } = await answer(0, "what-if", "--window", "1s");
    expect(await everything()).toEqual(before);
    const listed = asList((await answer(0, "what-if", "--list")).tables).map(asObject);
    expect(listed.map((one) => one.table)).toContain(table);
    expect((await cli("what-if", "--drop", String(table))).code).toBe(2);
    for (const one of listed) {
      expect((await cli("what-if", "--drop", String(one.table), "--yes")).code).toBe(0);
    }
    expect(asList((await answer(0, "what-if", "--list")).tables)).toEqual([]);
    expect((await cli("what-if", "--drop", "stats")).code).toBe(1);
    expect(await everything()).toEqual(before);
  }, 60_000);
});

describe("explain, receipt and actor get", () => {
  test("ask the admin API, and explain ends with 1 when a row was changed", async () => {
    const { rows } = await getPage(`${running.url}/stats?limit=1`);
    const { time = "", customer = "", content = "" } = rows[0] ?? {};
    const row = ["--time", time, "--customer", customer, "--content", content];
    expect(await answer(0, "explain", ...row)).toMatchObject({ agrees: true });
    await sql`update stats set p2p = p2p + 1 where time = ${time} and content = ${content}`;
    expect(await answer(1, "explain", ...row)).toMatchObject({ agrees: false });
    await sql`update stats set p2p = p2p - 1 where time = ${time} and content = ${content}`;
    const [first = ""] = receipts;
    expect(await answer(0, "receipt", first)).toMatchObject({ status: "sealed" });
    const past = await answer(0, "actor", "get", customer, content, "--at", time);
    expect(Number(asObject(past.totals).windows)).toBeGreaterThan(0);
  }, 30_000);

  test("say what can be said when payloads are no longer retained", async () => {
    const connection = await connect({ servers: running.natsUrl });
    const manager = await connection.jetstreamManager();
    const [first = ""] = receipts;
    const [partition = "", sequence = ""] = first.split(".");
    const before = await answer(0, "receipt", first);
    const event = asObject(before.event);
    await manager.streams.purge(`PAYLOADS_000${partition}`, { seq: Number(sequence) + 1 });
    await connection.close();
    const gone = await answer(0, "receipt", first);
    expect(gone).toMatchObject({ status: "gone", windowEnd: event.windowEnd });
    expect(asList(gone.candidates).map((one) => asObject(one).position)).toContain(event.position);
    const row = ["--time", String(event.windowEnd), "--customer", "Customer1", "--content"];
    const explained = await answer(0, "explain", ...row, String(event.content));
    expect(explained).toMatchObject({ replayed: null, basis: { kind: "not-retained" } });
    expect(explained.compared).toEqual(["stats", "sessions"]);
    const report = await answer(0, "audit");
    expect(report.agrees).toBe(true);
    const bases = asList(report.partitions).map((one) => asObject(asObject(one).basis).kind);
    expect(bases).toContain("warm-up");
  }, 30_000);
});
