import { expect, test } from "bun:test";
import { Lane, PendingAppend } from "../../src/nats/outgoing.ts";
import { publisherLimits } from "../../src/nats/publisherLimits.ts";
import { payload } from "./support.ts";

test("a full message of the longest names is one that the server takes", () => {
  const serverBytesMax = 65_536;
  const limits = publisherLimits({}, serverBytesMax);
  const lane = new Lane(0);
  const waiter = new PendingAppend(
    1,
    () => {},
    () => {},
  );
  const message = lane.open(0, limits.messageBytesMax);
  const name = "\u8a9e".repeat(170);
  const most = Number.MAX_SAFE_INTEGER;
  const counts = { timespan: most, p2p: most, cdn: most, sessionDuration: most };
  for (let i = 0; lane.open(0, limits.messageBytesMax) === message; i++) {
    const actor = { customer: name, content: `${name}${i}` };
    message.add(payload(name, { ...actor, ...counts }), undefined, waiter);
  }
  const text = message.encode(crypto.randomUUID(), most);
  expect(Buffer.byteLength(text)).toBeWithin(serverBytesMax / 2, serverBytesMax);
});

test("a server that takes hardly anything in one message is refused", () => {
  expect(() => publisherLimits({}, 16_384)).toThrow("up to 16384 bytes only");
});
