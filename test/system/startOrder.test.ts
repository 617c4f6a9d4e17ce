/** What the database refuses at a start must not have changed anything at the broker. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "nats";
import { readConfig } from "../../src/config.ts";
import { startSystem } from "../../src/system.ts";
import { freshDatabase, freshNatsServer, type NatsServer, testLog } from "../support/servers.ts";

let broker: NatsServer;
beforeAll(async () => {
  broker = await freshNatsServer();
}, 60_000);
afterAll(() => broker.stop());

async function streams(): Promise<string[]> {
  const connection = await connect({ servers: broker.url });
  const names: string[] = [];
  for await (const name of (await connection.jetstreamManager()).streams.names()) names.push(name);
  await connection.close();
  return names.sort();
}

test("a refused start makes no stream; the right one makes its own", async () => {
  const databaseUrl = await freshDatabase();
  const start = (partitions: string) =>
    startSystem(
      readConfig({
        ...{ DATABASE_URL: databaseUrl, NATS_URL: broker.url, PARTITIONS: partitions },
        ...{ ROLES: "admin", ADMIN_PORT: "0", PORT: "0" },
      }),
      testLog,
      () => {},
    );
  const first = await start("2");
  await first.stop();
  expect(await streams()).toEqual(["PAYLOADS_0000", "PAYLOADS_0001"]);
  await expect(start("4")).rejects.toThrow(/PARTITIONS is 4, but .* PARTITIONS=2/);
  expect(await streams()).toEqual(["PAYLOADS_0000", "PAYLOADS_0001"]);
}, 60_000);
