/**
 * A commit that the database refuses for what it holds would be refused again: the partition stops
 * and says why, the others go on, and nothing of the commit is left.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import postgres from "postgres";
import { partitionOf } from "../../src/domain/digest.ts";
import { asList, asObject, readObject } from "../support/answers.ts";
import { examplePayload, postOne } from "../support/api.ts";
import { type TestProcess, type TestSite, testSite } from "../support/process.ts";
import { until } from "../support/until.ts";

const windowMs = 2_000;
let site: TestSite;
let running: TestProcess;
let sql: postgres.Sql;

beforeAll(async () => {
  site = await testSite({ WINDOW: "2s", PARTITIONS: "2" });
  running = await site.start();
  sql = postgres(running.databaseUrl, { max: 1, onnotice: () => {} });
}, 60_000);
afterAll(async () => {
  await sql?.end();
  await site?.clear();
});

/** A content of each partition. */
const [bad = "", good = ""] = [0, 1].map((partition) => {
  const names = Array.from({ length: 100 }, (_, i) => `channel-${i}`);
  return names.find((name) => partitionOf("Customer1", name, 2) === partition) ?? "";
});

test("stops its partition with the database's reason, and no other", async () => {
  // As a defect would: windows of this content are in the log already, under another partition.
  const endMs = (Math.floor(Date.now() / windowMs) + 1) * windowMs;
  for (let i = 0; i < 30; i++) {
    await sql`
      insert into events
        (partition, position, type, version, customer, content, window_end, data, epoch, sealed_by)
      values (999, ${i + 1}, 'WindowSealed', 1, 'Customer1', ${bad},
        ${new Date(endMs + i * windowMs)}, '{}', 1, 'nobody')
    `;
  }
  await postOne(running.url, { ...examplePayload, content: bad, cdn: 1 });
  const readiness = await until(
    async () => {
      const { checks } = await readObject(await fetch(`${running.url}/readyz`));
      const partitions = asList(checks)
        .map(asObject)
        .find(({ name }) => name === "partitions");
      return partitions?.ok === false ? String(partitions.detail) : undefined;
    },
    { what: "the partition to be stopped", timeoutMs: 20_000 },
  );
  expect(readiness).toMatch(/^partition 0 is stopped: .*events_window_sealed_once/);
  const [row] = await sql`select position::int as position from partitions where partition = 0`;
  expect(row?.position).toBe(0);
  expect(await sql`select from events where partition = 0`).toHaveLength(0);

  await postOne(running.url, { ...examplePayload, content: good, cdn: 2 });
  await until(async () => (await sql`select from stats where content = ${good}`).length === 1, {
    what: "the other partition to count",
    timeoutMs: 20_000,
  });
  expect(running.stderr()).toContain("partition stopped");
  expect(await running.stop()).toBe(0);
}, 60_000);
