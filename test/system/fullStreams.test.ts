/**
 * Streams at their limit: what does not fit is refused, what was acknowledged is counted, and
 * ingest goes on when there is room again, made by an operator or by the retention.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { connect, type JetStreamManager, type NatsConnection } from "nats";
import { partitionOf } from "../../src/domain/digest.ts";
import { asList, asObject, type Json, readObject } from "../support/answers.ts";
import { examplePayload, post } from "../support/api.ts";
import { type NaiveRow, naiveRows } from "../support/naiveModel.ts";
import { type TestProcess, type TestSite, testSite } from "../support/process.ts";
import { readStreams } from "../support/streamReader.ts";
import { readTables, sealedThroughMs, withoutPayloads } from "../support/tables.ts";
import { until } from "../support/until.ts";

const windowMs = 2_000;
const partitions = 2;
const messagesMax = 60;
let site: TestSite | undefined;
let nats: NatsConnection | undefined;

afterEach(async () => {
  await nats?.close();
  await site?.clear();
});

async function start(retention: string) {
  const env = { WINDOW: `${windowMs / 1_000}s`, PARTITIONS: String(partitions) };
  site = await testSite({ ...env, RAW_RETENTION: retention });
  const running = await site.start();
  nats = await connect({ servers: running.natsUrl });
  return { running, manager: await nats.jetstreamManager() };
}

/**
 * As an operator would bound a stream: `nats stream edit --max-msgs`. A bound on bytes would make
 * nats-server 2.9 drop an old message now and then: docs/OPERATIONS.md.
 */
async function limit(manager: JetStreamManager, max_msgs: number): Promise<void> {
  for (let partition = 0; partition < partitions; partition++) {
    const name = `PAYLOADS_000${partition}`;
    const { config } = await manager.streams.info(name);
    await manager.streams.update(name, { ...config, max_msgs });
  }
}

/** A content of each partition. */
const contents = Array.from({ length: partitions }, (_, partition) => {
  const names = Array.from({ length: 100 }, (_, i) => `channel-${i}`);
  return names.find((name) => partitionOf("Customer1", name, partitions) === partition) ?? "";
});

/** What was sent, each payload with bytes of its own, and what became of it. */
class Books {
  readonly acknowledged: number[] = [];
  readonly refused: number[] = [];
  #next = 1;

  /** A request with so many payloads of one content; its answer. */
  async send(url: string, content: string, count: number): Promise<Response> {
    const cdns = Array.from({ length: count }, () => this.#next++);
    const rows = cdns.map((cdn) => ({ ...examplePayload, token: `t-${cdn}`, content, cdn }));
    const [row] = rows;
    const answer =
      count === 1 ? await post(`${url}/stats`, row) : await post(`${url}/stats/batch`, rows);
    (answer.status === 202 ? this.acknowledged : this.refused).push(...cdns);
    return answer;
  }

  /** Sends until it is refused; the refusal. */
  async fill(url: string, content: string, count: number): Promise<Response> {
    for (let requests = 0; requests < 2_000; requests++) {
      const answer = await this.send(url, content, count);
      if (answer.status !== 202) return answer;
    }
    throw new Error("the stream takes everything");
  }
}

async function check(running: TestProcess, name: string): Promise<Json> {
  const { checks } = await readObject(await fetch(`${running.url}/readyz`));
  return (
    asList(checks)
      .map(asObject)
      .find((one) => one.name === name) ?? {}
  );
}

async function everythingSealed(running: TestProcess): Promise<void> {
  const endMs = Date.now();
  await until(async () => (await sealedThroughMs(running.databaseUrl)) > endMs, {
    what: "everything to be sealed",
    timeoutMs: 30_000,
  });
}

describe("streams that are filled to their limit", () => {
  test("refuse with 503 and Retry-After; with room again all goes on, every row right", async () => {
    const { running, manager } = await start("1h");
    await limit(manager, messagesMax);
    const books = new Books();
    for (const content of contents) {
      await books.fill(running.url, content, 50);
      const refusal = await books.fill(running.url, content, 1);
      expect(refusal.status).toBe(503);
      expect(Number(refusal.headers.get("retry-after"))).toBeGreaterThan(0);
    }
    expect((await fetch(`${running.url}/readyz`)).status).toBe(503);
    const { ok, detail } = await check(running, "streams");
    expect(ok).toBe(false);
    expect(String(detail)).toMatch(
      /^partitions 0, 1: no room \(.*maximum messages exceeded.*\); raise/,
    );
    expect((await fetch(`${running.url}/livez`)).status).toBe(200);

    await limit(manager, 100 * messagesMax);
    for (const content of contents)
      expect((await books.send(running.url, content, 1)).status).toBe(202);
    await until(async () => (await check(running, "streams")).ok, {
      what: "the streams to be good",
    });
    await everythingSealed(running);

    const messages = await readStreams(running.natsUrl, partitions);
    const stored = messages.flatMap(({ payloads }) => payloads.map(({ cdn }) => cdn));
    expect(stored.sort((a, b) => a - b)).toEqual(books.acknowledged);
    expect(books.refused.length).toBeGreaterThan(partitions);
    const expected = new Map<string, NaiveRow>();
    for (let partition = 0; partition < partitions; partition++) {
      const stream = messages.filter((message) => message.partition === partition);
      for (const [name, row] of naiveRows(stream, windowMs, 86_400_000 / windowMs)) {
        expected.set(name, row);
      }
    }
    expect(await readTables(running.databaseUrl)).toEqual(withoutPayloads(expected));
    await until(async () => (await fetch(`${running.url}/readyz`)).status === 200, {
      what: "readiness to be green",
    });
    expect(await running.stop()).toBe(0);
  }, 90_000);

  test("are trimmed as time passes, though not even a tick fits, and ingest goes on", async () => {
    const { running, manager } = await start("3s");
    const books = new Books();
    for (const content of contents) await books.send(running.url, content, 200);
    await everythingSealed(running);
    for (const content of contents) await books.send(running.url, content, 100);
    for (let partition = 0; partition < partitions; partition++) {
      const { state, config } = await manager.streams.info(`PAYLOADS_000${partition}`);
      await manager.streams.update(config.name, { ...config, max_msgs: state.messages });
    }
    const refusals = contents.map((content) => books.send(running.url, content, 1));
    for (const refusal of refusals) expect((await refusal).status).toBe(503);
    for (const content of contents) {
      await until(async () => (await books.send(running.url, content, 1)).status === 202, {
        what: "the stream to have room again",
        timeoutMs: 30_000,
        intervalMs: 100,
      });
    }
    await everythingSealed(running);
    const tables = [...(await readTables(running.databaseUrl)).values()];
    const sum = books.acknowledged.reduce((total, cdn) => total + BigInt(cdn), 0n);
    expect(tables.reduce((total, { cdn }) => total + cdn, 0n)).toBe(sum);
    expect(await running.stop()).toBe(0);
  }, 90_000);
});
