/** The verifier of chaos finds what it is there to find, and owes nothing to the product. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { PostedPayload } from "../../src/cluster/verifier/posted.ts";
import type { StoredMessage, StoredPayload } from "../../src/cluster/verifier/streams.ts";
import type { DatabaseContent } from "../../src/cluster/verifier/tables.ts";
import { judge } from "../../src/cluster/verifier/verify.ts";

const windowMs = 10_000;
const plain = { token: "t", customer: "C", content: "c", p2p: 1, cdn: 10, sessionDuration: 0 };

function stored(id: number, key?: string): StoredPayload {
  return { ...plain, id, key };
}

function posted(id: number, fate: PostedPayload["fate"], keyed = false): PostedPayload {
  return { ...plain, id, keyed, fate, receipts: [] };
}

function message(sequence: number, timeMs: number, payloads: StoredPayload[]): StoredMessage {
  return { partition: 0, sequence, timeMs, publisher: "p", number: sequence, payloads };
}

/** Payloads 1 and 2 in one window; 2 came twice under its key. */
const messages = [
  message(1, 1_000, [stored(1), stored(2, "k")]),
  message(2, 2_000, [stored(2, "k")]),
];
const name = JSON.stringify([10_000, "C", "c"]);
const table = { name, cdn: "20", p2p: "2", sessions: 1 };
const event = { ...table, partition: 0, payloads: 2, duplicates: 1 };
const partition = { partition: 0, sequence: 2, stopped: null, owned: true, read: 3, sealed: 2 };
const database: DatabaseContent = {
  events: [{ ...event, firstSequence: 1, lastSequence: 1 }],
  tables: [table],
  partitions: [{ ...partition, duplicates: 1, quarantined: 0, open: 0 }],
  quarantined: 0,
  disorder: [],
};
const sent = [posted(1, "acknowledged"), posted(2, "acknowledged", true)];

function differences(
  changes: {
    posted?: PostedPayload[];
    messages?: StoredMessage[];
    database?: Partial<DatabaseContent>;
  } = {},
): readonly string[] {
  const streams = { messages: changes.messages ?? messages, oddities: [] };
  const found = { ...database, ...changes.database };
  return judge(changes.posted ?? sent, windowMs, streams, found).differences;
}

describe("the verifier", () => {
  test("has nothing to say when all is well", () => {
    expect(differences()).toEqual([]);
  });

  test("finds an acknowledged payload that is lost", () => {
    const found = differences({ posted: [...sent, posted(3, "acknowledged")] });
    expect(found[0]).toContain("payload 3 (C, c) was acknowledged and counts 0 times");
  });

  test("finds a payload that counts twice, answered or not", () => {
    const twice = [message(1, 1_000, [stored(1), stored(1)])];
    for (const fate of ["acknowledged", "unanswered"] as const) {
      const found = differences({ messages: twice, posted: [posted(1, fate)] });
      expect(found[0]).toBe(`payload 1 (C, c) was ${fate} and counts 2 times`);
    }
  });

  test("finds a payload that was refused and yet counts", () => {
    const found = differences({ posted: [posted(1, "refused"), ...sent.slice(1)] });
    expect(found[0]).toContain("was refused and counts 1 times");
  });

  test("finds a payload that nobody posted, and one that was changed", () => {
    expect(differences({ posted: sent.slice(1) })[0]).toContain("never posted");
    const changed = sent.map((one) => (one.id === 1 ? { ...one, cdn: 9 } : one));
    expect(differences({ posted: changed }).join()).toContain("is not as it was sent");
  });

  test("finds a receipt that leads nowhere", () => {
    const [first = posted(1, "acknowledged")] = sent;
    const wrong = { ...first, receipts: ["0.2.0"] };
    expect(differences({ posted: [wrong, ...sent.slice(1)] })).toEqual([
      "payload 1 is not at its receipt 0.2.0",
    ]);
  });

  test("finds a row that is missing, wrong, or of nothing", () => {
    expect(differences({ database: { tables: [] } }).join()).toContain("cdn is missing");
    const wrong = [{ ...table, sessions: 2 }];
    expect(differences({ database: { tables: wrong } })).toEqual([
      `row ${name}: sessions is 2, the streams say 1`,
    ]);
    const more = [table, { ...table, cdn: "0", p2p: "0", name: '[20000,"C","c"]' }];
    expect(differences({ database: { tables: more } })[0]).toContain("of no payload");
  });

  test("finds a window that an event tells otherwise, and a ledger that does not add up", () => {
    const events = database.events.map((one) => ({ ...one, duplicates: 0 }));
    expect(differences({ database: { events } })[0]).toContain("duplicates is 0");
    const partitions = database.partitions.map((one) => ({ ...one, sealed: 1 }));
    expect(differences({ database: { partitions } })[0]).toContain("does not account for all");
  });

  test("imports nothing of the product", () => {
    const folder = join(import.meta.dir, "..", "..", "src", "cluster", "verifier");
    for (const file of new Bun.Glob("*.ts").scanSync({ cwd: folder })) {
      const text = readFileSync(join(folder, file), "utf8");
      const imports = [...text.matchAll(/ from "([^"]+)"/g)].map(([, path = ""]) => path);
      expect(imports.filter((path) => !/^(\.\/\w+\.ts|nats|postgres)$/.test(path))).toEqual([]);
    }
  });
});
