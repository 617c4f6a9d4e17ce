/**
 * A stream that does not continue its checkpoint stops its partition (invariant I10), and its
 * partition alone; an operator accepts the loss, and what is acknowledged afterwards counts once.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { connect } from "nats";
import postgres from "postgres";
import { partitionOf } from "../../src/domain/digest.ts";
import { asList, asObject, type Json, readObject } from "../support/answers.ts";
import { examplePayload, post, postOne } from "../support/api.ts";
import { type CliResult, payloadStats } from "../support/cli.ts";
import { type TestProcess, type TestSite, testSite } from "../support/process.ts";
import { until } from "../support/until.ts";

const partitions = 2;
let site: TestSite;
let running: TestProcess;
let sql: postgres.Sql;

beforeAll(async () => {
  site = await testSite({ WINDOW: "2s", PARTITIONS: String(partitions), RAW_RETENTION: "0s" });
  running = await site.start();
  sql = postgres(running.databaseUrl, { max: 1, onnotice: () => {}, idle_timeout: 1 });
}, 60_000);
afterAll(async () => {
  await sql?.end();
  await site?.clear();
});

/** A content of each partition. */
const contents = Array.from({ length: partitions }, (_, partition) => {
  const names = Array.from({ length: 100 }, (_, i) => `channel-${i}`);
  return names.find((name) => partitionOf("Customer1", name, partitions) === partition) ?? "";
});

function send(partition: number, cdn: number): Promise<void> {
  const content = contents[partition] ?? "";
  return postOne(running.url, { ...examplePayload, content, cdn });
}

async function get(path: string): Promise<Json> {
  return readObject(await fetch(running.adminUrl + path));
}

async function bytesOf(partition: number): Promise<number> {
  const [row] = await sql`
    select coalesce(sum(cdn), 0)::int as cdn from stats where content = ${contents[partition] ?? ""}
  `;
  return Number(row?.cdn);
}

function counted(partition: number, cdn: number): Promise<true> {
  return until(async () => (await bytesOf(partition)) === cdn, {
    what: `partition ${partition} to count ${cdn}`,
    timeoutMs: 30_000,
  });
}

/** Why a partition is stopped, once the reason is the one expected: others may come before it. */
function stopped(partition: number, expected = /./): Promise<string> {
  return until(
    async () => {
      const rows = asList((await get("/admin/partitions")).partitions).map(asObject);
      const reason = rows.find((row) => row.partition === partition)?.stopped;
      return typeof reason === "string" && expected.test(reason) ? reason : undefined;
    },
    { what: `partition ${partition} to stop: ${expected.source}`, timeoutMs: 60_000 },
  );
}

function acceptLoss(partition: number): Promise<CliResult> {
  const args = ["partition", "accept-loss", String(partition), "--yes", "-o", "json"];
  return payloadStats(args, { ADMIN_PORT: new URL(running.adminUrl).port, USER: "anna" });
}

function audit(): Promise<CliResult> {
  const { databaseUrl: DATABASE_URL, natsUrl: NATS_URL } = running;
  return payloadStats(["audit", "-o", "json"], { DATABASE_URL, NATS_URL });
}

async function epochOf(partition: number): Promise<number> {
  const [row] =
    await sql`select epoch::int as epoch from partitions where partition = ${partition}`;
  return Number(row?.epoch);
}

async function lossesOf(partition: number): Promise<Json[]> {
  const { events } = await get(`/admin/events?partition=${partition}&limit=1000`);
  return asList(events)
    .map(asObject)
    .filter(({ type }) => type === "LossAccepted");
}

async function becomesReady(): Promise<void> {
  await until(async () => (await fetch(`${running.adminUrl}/readyz`)).status === 200, {
    what: "readiness to be green",
    timeoutMs: 30_000,
  });
}

describe("broker data that was put back from an older copy", () => {
  test("stops its partition, and after accept-loss nothing counts twice", async () => {
    await send(0, 1);
    await send(1, 1_000);
    await counted(0, 1);
    expect(await acceptLoss(0)).toMatchObject({ code: 1, stdout: "" });
    expect(await running.stop()).toBe(0);
    const store = join(site.dataDir, "nats", "jetstream", "$G", "streams", "PAYLOADS_0000");
    const copy = `${site.dataDir}-copy`;
    cpSync(store, copy, { recursive: true });

    running = await site.start();
    await send(0, 10);
    await counted(0, 11);
    expect(await running.stop()).toBe(0);
    rmSync(store, { recursive: true });
    cpSync(copy, store, { recursive: true });
    rmSync(copy, { recursive: true });

    running = await site.start();
    await stopped(0, /restored from an older copy/);
    // Ingest goes on, under sequences that were used before.
    await send(0, 100);
    await send(1, 2_000);
    await counted(1, 3_000);
    const { status, checks } = await get("/readyz");
    expect(status).toBe("unavailable");
    const partitionsCheck = asList(checks)
      .map(asObject)
      .find(({ name }) => name === "partitions");
    expect(String(partitionsCheck?.detail)).toContain("0 is stopped");
    expect(await bytesOf(0)).toBe(11);

    const accepted = await acceptLoss(0);
    expect(accepted.code).toBe(0);
    expect(accepted.stderr).toContain("partition 0 goes on at sequence");
    await counted(0, 111);
    await becomesReady();
    await send(0, 1_000);
    await counted(0, 1_111);
    const [loss] = await lossesOf(0);
    expect(loss).toMatchObject({ version: 1, customer: null, content: null, windowEnd: null });
    expect(String(loss?.sealedBy)).toStartWith("anna@");
    expect(asObject(loss?.data).reason).toMatch(/older copy/);
    const ledger = await get("/admin/ledger?recount=true");
    expect(ledger).toMatchObject({ balanced: true });
    // The lost stream may have given any receipt.
    expect(await get("/admin/receipts/0.9999999.0")).toMatchObject({
      status: "gone",
      candidates: [],
    });
    expect((await fetch(`${running.adminUrl}/admin/receipts/1.9999999.0`)).status).toBe(404);
  }, 120_000);
});

describe("a stream that was deleted and made again", () => {
  test("stops its partition while it runs; accept-loss reads it from its beginning", async () => {
    const before = await bytesOf(1);
    const nats = await connect({ servers: running.natsUrl });
    const manager = await nats.jetstreamManager();
    const { config } = await manager.streams.info("PAYLOADS_0001");
    await manager.streams.delete("PAYLOADS_0001");
    await manager.streams.add(config);
    await nats.close();
    for (let i = 0; i < 5; i++) await send(1, 10_000);
    await stopped(1, /made anew|expected sequence/);
    await send(0, 10_000);
    await counted(0, 11_111);
    expect((await fetch(`${running.adminUrl}/readyz`)).status).toBe(503);

    // It stays so over a restart.
    await running.killGroup();
    running = await site.start();
    await stopped(1, /made anew/);
    await send(1, 10_000);
    expect((await acceptLoss(1)).code).toBe(0);
    await counted(1, before + 60_000);
    await becomesReady();
    expect((await acceptLoss(1)).stderr).toContain("not stopped");
    const [loss, ...others] = await lossesOf(1);
    expect(others).toEqual([]);
    expect(asObject(loss?.data)).toMatchObject({ firstSequence: 1, continuesFrom: 1 });

    // The projections have passed the event, and the trimming has spared what was unread.
    await until(
      async () => {
        const behind = await sql`
          select from projection_positions own join partitions p using (partition)
          where own.build = 'live' and own.position <> p.position
        `;
        return behind.length === 0;
      },
      { what: "the projections to have caught up" },
    );
    expect(await get("/admin/ledger?recount=true")).toMatchObject({ balanced: true });
  }, 120_000);
});

describe("a message that was lost out of a stream", () => {
  test("leaves all that is retained explained, before the loss and after it", async () => {
    const before = await bytesOf(1);
    const sendOne = async (cdn: number) => {
      const payload = { ...examplePayload, content: contents[1] ?? "", cdn };
      const answer = await post(`${running.url}/stats`, payload);
      return String((await readObject(answer)).receipt);
    };
    const early = await sendOne(1);
    await counted(1, before + 1);
    expect(await running.stop()).toBe(0);
    running = await site.start({ ROLES: "ingest,admin", RAW_RETENTION: "1h" });
    const receipts = [await sendOne(2), await sendOne(4), await sendOne(8)];
    const [, lost = ""] = receipts;
    const nats = await connect({ servers: running.natsUrl });
    const manager = await nats.jetstreamManager();
    await manager.streams.deleteMessage("PAYLOADS_0001", Number(lost.split(".")[1]));
    await nats.close();
    expect(await running.stop()).toBe(0);
    running = await site.start({ RAW_RETENTION: "1h" });
    await stopped(1, /expected sequence \d+, found \d+/);
    expect((await acceptLoss(1)).code).toBe(0);
    const late = await sendOne(16);
    await counted(1, before + 1 + 2 + 8 + 16);
    await becomesReady();

    for (const receipt of [early, receipts[0], receipts[2], late]) {
      const fate = await get(`/admin/receipts/${receipt}`);
      const events = fate.status === "sealed" ? [fate.event] : asList(fate.candidates);
      expect(events.map((event) => asObject(event).windowEnd)).toEqual([fate.windowEnd]);
    }
    expect(await get(`/admin/receipts/${lost}`)).toMatchObject({ status: "gone" });
    const found = await audit();
    expect(found.stderr).not.toContain("expected sequence");
    expect(found.code).toBe(0);
  }, 120_000);
});

describe("a stream that was deleted", () => {
  test("stops its partition; accept-loss makes it anew without a restart", async () => {
    const before = await bytesOf(0);
    const losses = (await lossesOf(0)).length;
    const nats = await connect({ servers: running.natsUrl });
    const manager = await nats.jetstreamManager();
    const { config } = await manager.streams.info("PAYLOADS_0000");
    await manager.streams.delete("PAYLOADS_0000");
    await stopped(0, /its stream is gone; .* or accept the loss/);
    // It is tried again, under new epochs, with the same result.
    const epoch = await epochOf(0);
    await until(async () => (await epochOf(0)) > epoch + 1, {
      what: "it is tried again",
      timeoutMs: 30_000,
    });
    await stopped(0, /its stream is gone/);
    expect(running.stderr()).not.toContain("partition owner failed");
    // Its payloads are refused, those of the others are not.
    const refused = await post(`${running.url}/stats`, { ...examplePayload, content: contents[0] });
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    await send(1, 10);
    // What is asked of the past is answered with what the events know.
    const basis = { kind: "not-retained", reason: "the stream that was read is gone" };
    const names = `customer=Customer1&content=${contents[0]}`;
    expect(await get(`/admin/actor?${names}&at=${Date.now()}`)).toMatchObject({ basis });
    expect(await get("/admin/receipts/0.1.0")).toMatchObject({ status: "gone" });
    expect((await audit()).stderr).toMatch(/retained whole: 0\b/);

    const { pid } = running;
    expect((await acceptLoss(0)).code).toBe(0);
    await send(0, 7);
    await counted(0, before + 7);
    await becomesReady();
    expect(running.pid).toBe(pid);
    expect(await lossesOf(0)).toHaveLength(losses + 1);
    const { config: anew } = await manager.streams.info("PAYLOADS_0000");
    expect(anew).toEqual(config);
    await nats.close();
    expect(await get("/admin/ledger?recount=true")).toMatchObject({ balanced: true });
    expect(await running.stop()).toBe(0);
  }, 120_000);
});
