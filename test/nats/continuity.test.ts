import { afterAll, beforeAll, expect, test } from "bun:test";
import { PayloadGap } from "../../src/actors/ports.ts";
import type { NatsLink } from "../../src/nats/connection.ts";
import { Continuity } from "../../src/nats/continuity.ts";
import { freshNatsServer, type NatsServer } from "../support/servers.ts";
import { freshStreams } from "./support.ts";

let server: NatsServer;
let link: NatsLink;

beforeAll(async () => {
  server = await freshNatsServer();
  ({ link } = await freshStreams(server.url, 1));
});
afterAll(async () => {
  await link.close();
  await server.stop();
});

test("a stream that seems to end too early is believed after so many looks in a row", async () => {
  const continuity = new Continuity(link, 0);
  const looksShort = () => expect(continuity.findGap(9)).rejects.toThrow(PayloadGap);
  for (let round = 0; round < 4; round++) {
    await looksShort();
    expect(await continuity.findGap(1)).toBeUndefined();
  }
  for (let look = 0; look < 4; look++) await looksShort();
  expect(await continuity.findGap(9)).toMatchObject({ expectedSequence: 9, foundSequence: 1 });
});
