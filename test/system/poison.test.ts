/** Whatever a stream holds, its partition goes on, and every payload stays accounted for. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect, type NatsConnection } from "nats";
import postgres from "postgres";
import { partitionOf } from "../../src/domain/digest.ts";
import { asList, asObject, type Json, readObject } from "../support/answers.ts";
import { examplePayload, postOne } from "../support/api.ts";
import { payloadStats } from "../support/cli.ts";
import { type DocumentedFetch, documentedFetch } from "../support/documented.ts";
import { type TestProcess, type TestSite, testSite } from "../support/process.ts";
import { until } from "../support/until.ts";

const largest = Number.MAX_SAFE_INTEGER;
/** So many of the largest payloads fit into int64. */
const fitting = 1024;
let site: TestSite;
let running: TestProcess;
let admin: DocumentedFetch;
let nats: NatsConnection;
let sql: postgres.Sql;

beforeAll(async () => {
  site = await testSite({ WINDOW: "2s", PARTITIONS: "2" });
  running = await site.start();
  admin = documentedFetch(running.adminUrl);
  nats = await connect({ servers: running.natsUrl });
  sql = postgres(running.databaseUrl, { max: 2, onnotice: () => {} });
}, 60_000);
afterAll(async () => {
  await nats?.close();
  await sql?.end();
  await site?.clear();
});

function get(path: string): Promise<Json> {
  return admin(path).then(readObject);
}

function decide(receipt: string, decision: string): Promise<Response> {
  return admin(`/admin/quarantine/${receipt}/${decision}?by=anna`, { method: "POST" });
}

async function quarantined(query = ""): Promise<Json[]> {
  const { quarantine } = await get(`/admin/quarantine?limit=1000${query}`);
  return asList(quarantine).map(asObject);
}

async function ledgerCheck(): Promise<Json> {
  const { checks } = await get("/readyz");
  const check = asList(checks).map(asObject);
  return check.find(({ name }) => name === "ledger") ?? {};
}

/** The sums of a content over all windows. */
async function sumsOf(content: string): Promise<Json> {
  const [row] = await sql`
    select coalesce(sum(cdn), 0)::text as cdn, count(*)::int as windows
    from stats where content = ${content}
  `;
  return asObject(row);
}

function batch(publisher: string, content: string, cdns: readonly number[]): string {
  const payloads = cdns.flatMap((cdn, i) => [0, `token-${i}`, 30_000, 0, cdn, 60_000]);
  return JSON.stringify({ v: 1, publisher, number: 1, actors: ["poison", content], payloads });
}

/** A content of the partition that is poisoned. */
const neighbour = Array.from({ length: 100 }, (_, i) => `channel-${i}`).find(
  (content) => partitionOf("Customer1", content, 2) === 0,
);

describe("poison in a stream", () => {
  test("goes to quarantine with reason and receipt, and the partition goes on", async () => {
    const whole = batch("foreign-1", "cut", [1, 2, 3]);
    const messages: readonly (string | Uint8Array)[] = [
      "hello from elsewhere",
      new Uint8Array([0xff, 0x00, 0xfe]),
      whole.slice(0, whole.length - 9),
      whole.replace('"v":1', '"v":9'),
      batch("foreign-2", "huge", new Array<number>(fitting + 3).fill(largest)),
      `{"v":1,"publisher":"p","number":1,"actors":["a","b"],"payloads":[0,"t",${"[".repeat(
        50_000,
      )}${"]".repeat(50_000)},1,2,3]}`,
    ];
    for (const message of messages) await nats.jetstream().publish("payloads.0000", message);
    await postOne(running.url, { ...examplePayload, content: neighbour ?? "", cdn: 11 });

    const rows = await until(
      async () => {
        const found = await quarantined("&partition=0");
        return found.length === 8 ? found : undefined;
      },
      { what: "everything to be quarantined", timeoutMs: 20_000 },
    );
    const reasons = rows.map(({ reason }) => String(reason)).sort();
    expect(reasons).toEqual([
      "the envelope has an unknown version",
      "the message is not JSON",
      "the message is not JSON",
      "the message is not JSON",
      "the payload is malformed",
      ...new Array<string>(3).fill("the window's sum of bytes would leave int64"),
    ]);
    for (const { receipt, index } of rows) {
      expect(receipt).toMatch(Number(index) < 0 ? /^0\.\d+$/ : /^0\.\d+\.\d+$/);
    }
    const neighbours = await until(async () => (await sumsOf(neighbour ?? "")).cdn === "11", {
      what: "the neighbour to be counted",
    });
    expect(neighbours).toBe(true);
    expect(await sumsOf("huge")).toEqual({ cdn: String(BigInt(largest) * 1024n), windows: 1 });
    const { balanced, total } = await get("/admin/ledger?recount=true");
    expect(balanced).toBe(true);
    expect(total).toMatchObject({ quarantined: 8, missing: 0 });
    expect(await ledgerCheck()).toMatchObject({ ok: true });
    const metrics = await (await fetch(`${running.adminUrl}/metrics`)).text();
    expect(metrics).toContain("\npayload_stats_payloads_quarantined 8\n");
  }, 60_000);

  test("is retried once, however often it is asked for, and the ledger stays balanced", async () => {
    const held = await quarantined(
      "&reason=the%20window's%20sum%20of%20bytes%20would%20leave%20int64",
    );
    const receipt = String(held[0]?.receipt);
    const answers = await Promise.all([decide(receipt, "retry"), decide(receipt, "retry")]);
    for (const answer of answers) expect([200, 409]).toContain(answer.status);
    expect(answers.map(({ status }) => status)).toContain(200);
    expect((await decide(receipt, "retry")).status).toBe(409);
    expect((await decide(receipt, "discard")).status).toBe(409);
    // As if the program had died before it could note that the message is stored.
    const [id] = held.map((row) => Number(row.id));
    await sql`update quarantine set state = 'retrying' where id = ${id ?? 0}`;
    const again = await readObject(await decide(receipt, "retry"));
    const expected = { cdn: String(BigInt(largest) * 1025n), windows: 2 };
    await until(async () => (await sumsOf("huge")).cdn === expected.cdn, {
      what: "the retried payload to be counted",
    });
    // Of two that ask in the same moment both may store it: each answer of 200 stands for one
    // message.
    const repeats = answers.filter(({ status }) => status === 200).length;
    await until(async () => asObject((await get("/admin/ledger")).total).duplicates === repeats, {
      what: "the repeat to be recognised",
      timeoutMs: 20_000,
    });
    expect(await sumsOf("huge")).toEqual(expected);
    const shown = await get(`/admin/quarantine/${receipt}`);
    expect(shown).toMatchObject({
      state: "retried",
      retriedAs: again.retriedAs ?? "",
      decidedBy: "anna",
    });
    const fate = await get(`/admin/receipts/${receipt}`);
    expect(fate).toMatchObject({ status: "quarantined", retriedAs: again.retriedAs ?? "" });
    expect(await get("/admin/ledger?recount=true")).toMatchObject({ balanced: true });
  }, 60_000);

  test("that names an actor of another partition is set aside, and both partitions go on", async () => {
    const names = Array.from({ length: 100 }, (_, i) => `channel-${i}`);
    const partitionOfName = (name: string) => partitionOf("Customer1", name, 2);
    const content = names.find((name) => partitionOfName(name) === 1) ?? "";
    const [, other = ""] = names.filter((name) => partitionOfName(name) === 0);
    const message = batch("foreign-3", content, [100]).replace('"poison"', '"Customer1"');
    await nats.jetstream().publish("payloads.0000", message);
    await postOne(running.url, { ...examplePayload, content, cdn: 5 });
    await postOne(running.url, { ...examplePayload, content: other, cdn: 6 });
    const reason = "&reason=the%20actor%20is%20of%20another%20partition";
    const [row] = await until(
      async () => {
        const rows = await quarantined(`&partition=0${reason}`);
        return rows.length === 1 ? rows : undefined;
      },
      { what: "the payload to be quarantined", timeoutMs: 20_000 },
    );
    expect(String(row?.found)).toContain(content);
    // Sealed by both, it would be refused by the event log, and stop one of the partitions.
    await until(async () => (await sumsOf(content)).cdn === "5", { what: "its own to be counted" });
    await until(async () => (await sumsOf(other)).cdn === "6", {
      what: "another one to be counted",
    });
    expect(await get("/admin/ledger?recount=true")).toMatchObject({ balanced: true });
  }, 60_000);

  test("that still cannot be read comes back, and what is discarded stays", async () => {
    const [foreign] = await quarantined("&state=held&reason=the%20message%20is%20not%20JSON");
    const receipt = String(foreign?.receipt);
    const { retriedAs } = await readObject(await decide(receipt, "retry"));
    const returned = await until(
      async () => {
        const row = await get(`/admin/quarantine/${String(retriedAs)}`);
        return row.state === "held" ? row : undefined;
      },
      { what: "the message to be quarantined again", timeoutMs: 20_000 },
    );
    expect(returned.reason).toBe("the message is not JSON");
    const fate = await get(`/admin/receipts/${receipt}.0`);
    expect(fate).toMatchObject({ status: "quarantined", retriedAs: `${String(retriedAs)}.0` });
    expect(await get(`/admin/receipts/${String(fate.retriedAs)}`)).toMatchObject({
      status: "quarantined",
    });
    const env = { ADMIN_PORT: new URL(running.adminUrl).port };
    const unsure = await payloadStats(["quarantine", "discard", String(retriedAs)], env);
    expect(unsure).toMatchObject({ code: 2, stdout: "" });
    const discard = ["quarantine", "discard", String(retriedAs), "--yes", "-o", "json"];
    expect(await payloadStats(discard, env)).toMatchObject({ code: 0 });
    const refused = await payloadStats(["quarantine", "retry", String(retriedAs)], env);
    expect(refused).toMatchObject({ code: 1, stderr: "It was discarded.\n" });
    const ledger = await payloadStats(["ledger", "--recount"], env);
    expect(ledger.code).toBe(0);
    expect(ledger.stdout).toContain("QUARANTINED");
  }, 60_000);
});

describe("the ledger", () => {
  test("turns readiness red when a row of the quarantine is gone, and green again", async () => {
    const rows = await sql`delete from quarantine where state = 'discarded' returning *`;
    expect(rows).toHaveLength(1);
    await until(async () => (await ledgerCheck()).ok === false, {
      what: "readiness to turn red",
      timeoutMs: 20_000,
    });
    expect((await fetch(`${running.adminUrl}/readyz`)).status).toBe(503);
    expect((await ledgerCheck()).detail).toBe("0: 1 payloads are nowhere");
    const errors = () => running.stderr().split("the ledger is not balanced").length - 1;
    expect(errors()).toBe(1);
    const env = { ADMIN_PORT: new URL(running.adminUrl).port };
    expect((await payloadStats(["ledger"], env)).code).toBe(1);
    await sql`
      insert into quarantine (partition, sequence, index, reason, found)
      select partition, sequence, index, reason, found
      from jsonb_populate_record(null::quarantine, ${sql.json(JSON.parse(JSON.stringify(rows[0])))})
    `;
    await until(async () => (await ledgerCheck()).ok === true, {
      what: "readiness to turn green",
      timeoutMs: 20_000,
    });
    expect(errors()).toBe(1);
  }, 60_000);

  test("finds an event that was changed by hand", async () => {
    await sql`alter table events disable trigger all`;
    await sql`
      update events set data = jsonb_set(data, '{payloads}', '1000') where content = ${neighbour ?? ""}
    `;
    await sql`alter table events enable always trigger events_append_only`;
    await sql`alter table events enable always trigger events_append_only_rows`;
    const env = { ADMIN_PORT: new URL(running.adminUrl).port };
    const recount = await payloadStats(["ledger", "--recount", "-o", "json"], env);
    expect(recount.code).toBe(1);
    expect(JSON.parse(recount.stdout)).toMatchObject({ balanced: false, total: { missing: -999 } });
    expect(await ledgerCheck()).toMatchObject({ ok: false, detail: "0: 999 payloads too many" });
  }, 60_000);
});
