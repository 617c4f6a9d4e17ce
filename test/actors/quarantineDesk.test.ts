/** A row of quarantine is claimed only for a message that can be published. */
import { expect, test } from "bun:test";
import type { QuarantineRow, QuarantineStore } from "../../src/actors/operatorPorts.ts";
import { Partition } from "../../src/actors/partition.ts";
import type { LogMessage } from "../../src/actors/ports.ts";
import { QuarantineDesk } from "../../src/actors/quarantineDesk.ts";
import { BatchBuilder, decodeMessage, encodeRetry } from "../../src/domain/envelope.ts";
import { messageText, storableText } from "../../src/domain/quarantineText.ts";
import { examplePayload } from "../support/api.ts";
import { logMessage } from "../support/streams.ts";

const rules = { windowMs: 300_000, partitions: 1, sessionMemoryMs: 86_400_000 };
const place = { partition: 0, sequence: 1, index: -1, incarnation: 1 };
const held: QuarantineRow = {
  ...{ id: 1, place, reason: "odd", found: "{}", quarantinedAt: "", state: "held" },
  ...{ retriedAs: null, decidedAt: null, decidedBy: null },
};

/** A desk over one row, what was done to the row, and what was published. */
function deskWith(takes: () => boolean, row = held, message?: LogMessage) {
  const done: string[] = [];
  const published: string[] = [];
  const store: QuarantineStore = {
    list: async () => [row],
    find: async () => row,
    incarnation: async () => 1,
    claim: async () => {
      done.push("claimed");
      return "claimed";
    },
    retried: async (_id, retriedAs) => void done.push(`retried as ${retriedAs}`),
    discard: async () => true,
  };
  const publish = async (_partition: number, text: string) => {
    published.push(text);
    return 7;
  };
  const streams = { message: async () => message };
  return { done, published, desk: new QuarantineDesk(streams, store, { takes, publish }) };
}

test("what the broker would never take stays held", async () => {
  const { desk, done } = deskWith(() => false);
  expect(await desk.retry(place, "anna")).toEqual({ kind: "oversized" });
  expect(done).toEqual([]);
});

test("nothing is claimed while the broker is away", async () => {
  const { desk, done } = deskWith(() => {
    throw new Error("NATS is disconnected");
  });
  await expect(desk.retry(place, "anna")).rejects.toThrow("disconnected");
  expect(done).toEqual([]);
});

test("what it takes is claimed, and noted as retried", async () => {
  const { desk, done } = deskWith(() => true);
  expect(await desk.retry(place, "anna")).toEqual({ kind: "retried", retriedAs: "0.7" });
  expect(done).toEqual(["claimed", "retried as 0.7"]);
});

test("what was decided before is said, however little of it was kept", async () => {
  const found = '["Customer1","cha';
  const cut = { ...held, place: { ...place, index: 3 }, found };
  for (const [state, kind] of [
    ["retried", "already"],
    ["discarded", "discarded"],
  ] as const) {
    const { desk } = deskWith(() => true, { ...cut, state });
    expect(await desk.retry(place, "anna")).toEqual({ kind });
  }
});

test("a payload of which little was kept is read out of its message", async () => {
  const builder = new BatchBuilder();
  for (let i = 0; i < 4_000; i++) {
    builder.add({
      ...examplePayload,
      token: `${"x".repeat(60)} ${i}`,
      p2p: Number.MAX_SAFE_INTEGER,
    });
  }
  const message = logMessage(1, 0, builder.encode("publisher", 1));
  const partition = new Partition(rules, 0);
  partition.apply(message);
  const cut = partition.quarantined.at(-1);
  if (cut === undefined) throw new Error("nothing was quarantined");
  expect(cut.found).toHaveLength(64);
  const row = { ...held, place: { ...place, index: cut.index }, found: cut.found };

  const { desk, published } = deskWith(() => true, row, message);
  expect(await desk.retry(row.place, "anna")).toMatchObject({ kind: "retried" });
  expect(decodeMessage(inner(published[0]))).toMatchObject({
    payloads: [0, `${"x".repeat(60)} ${cut.index}`, 30_000, Number.MAX_SAFE_INTEGER, 1, 2],
  });

  const before = { ...row, place: { ...row.place, incarnation: 0 } };
  const older = deskWith(() => true, before, message);
  expect(await older.desk.retry(row.place, "anna")).toEqual({ kind: "lost" });
  // Another message stands there.
  const other = new BatchBuilder();
  for (let i = 0; i <= cut.index; i++) other.add({ ...examplePayload, content: "other" });
  const gone = [undefined, logMessage(1, 0, other.encode("publisher", 1))];
  for (const found of gone) {
    const { desk } = deskWith(() => true, row, found);
    expect(await desk.retry(row.place, "anna")).toEqual({ kind: "lost" });
  }
});

test("a message that was cut is not taken for a whole one, whatever its letters are", async () => {
  const data = new TextEncoder().encode(JSON.stringify({ v: 2, names: "\u00e9".repeat(60_000) }));
  const row = { ...held, found: storableText(messageText(data)) };
  expect(row.found.length).toBeLessThan(65_536);
  const { desk } = deskWith(() => true, row);
  expect(await desk.retry(place, "anna")).toEqual({ kind: "lost" });
});

test("a message that was kept whole is retried, and not another in its place", async () => {
  const { desk, published } = deskWith(() => true, held, logMessage(1, 0, "another"));
  expect(await desk.retry(place, "anna")).toMatchObject({ kind: "retried" });
  expect(Buffer.from(inner(published[0])).toString()).toBe("{}");
});

test("copies of one message count once, and so do those of a retry of it", async () => {
  const messageOf = (token: string) => {
    const builder = new BatchBuilder();
    builder.add({ ...examplePayload, token });
    return new TextEncoder().encode(builder.encode("publisher", 5));
  };
  const data = messageOf("one");
  const name = new Bun.CryptoHasher("sha256").update(data).digest("hex");
  const again = new TextEncoder().encode(encodeRetry(name, data));
  // The last one says the same of itself, and is another.
  const copies = [data, data, again, messageOf("two")];
  const found = copies.map((text) => storableText(messageText(text)));
  const published: string[] = [];
  for (const [i, text] of found.entries()) {
    const row = { ...held, place: { ...place, sequence: i + 1 }, found: text };
    const copy = deskWith(() => true, row);
    await copy.desk.retry(row.place, "anna");
    published.push(...copy.published);
  }
  expect(published).toHaveLength(4);
  const partition = new Partition(rules, 0);
  for (const [i, text] of published.entries()) partition.apply(logMessage(i + 1, 0, text));
  expect(partition.seal(rules.windowMs)).toMatchObject([{ data: { payloads: 2, duplicates: 2 } }]);
});

/** The message that a retry carries. */
function inner(retry = ""): Uint8Array {
  return Buffer.from(JSON.parse(retry).message, "base64");
}
