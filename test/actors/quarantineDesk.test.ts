/** A row of quarantine is claimed only for a message that can be published. */
import { expect, test } from "bun:test";
import type { QuarantineRow, QuarantineStore } from "../../src/actors/operatorPorts.ts";
import { QuarantineDesk } from "../../src/actors/quarantineDesk.ts";

const place = { partition: 0, sequence: 1, index: -1, incarnation: 0 };
const row: QuarantineRow = {
  ...{ id: 1, place, reason: "odd", found: "{}", quarantinedAt: "", state: "held" },
  ...{ retriedAs: undefined, decidedAt: undefined, decidedBy: undefined },
};

/** A desk over one row, and what was done to the row. */
function deskWith(takes: () => boolean) {
  const done: string[] = [];
  const store: QuarantineStore = {
    list: async () => [row],
    find: async () => row,
    claim: async () => {
      done.push("claimed");
      return "claimed";
    },
    retried: async (_id, retriedAs) => void done.push(`retried as ${retriedAs}`),
    discard: async () => true,
  };
  const retryLog = { takes, publish: async () => 7 };
  return { done, desk: new QuarantineDesk({ message: async () => undefined }, store, retryLog) };
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
