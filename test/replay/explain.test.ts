/** Where a row comes from, when there is none, and when the memory of tokens has changed. */
import { expect, test } from "bun:test";
import { explain } from "../../src/replay/explain.ts";
import { examplePayload } from "../support/api.ts";
import { run, streamOf } from "../support/streams.ts";
import { memoryPast } from "./memoryPast.ts";

const windowMs = 30_000;
const startMs = 1_800_000_000_000;
const rules = { windowMs, partitions: 1, sessionMemoryMs: 60 * windowMs };
const { customer, content } = examplePayload;

/** A window that is sealed, and one that is open. */
const messages = [0, 1].map((window) => ({
  timeMs: startMs + window * windowMs,
  publisher: "p",
  number: window + 1,
  payloads: [examplePayload],
}));
const stream = streamOf(messages, startMs + windowMs);
const { events } = run(stream, rules);

const page = { offset: 0, limit: 10, showTokens: false };
function query(window: number) {
  return { customer, content, windowEndMs: startMs + (window + 1) * windowMs, ...page };
}

/** The sealed window, whose row is in no table. */
function withoutRows(position: number) {
  const past = memoryPast({ stream, events, rules });
  const none = { cdn: undefined, p2p: undefined, sessions: undefined };
  past.history.rows = async () => ({
    ...none,
    statsPosition: position,
    sessionsPosition: position,
  });
  return explain(past, query(0));
}

test("a row that its projection has come past and did not write is a difference", async () => {
  expect(await withoutRows(3)).toMatchObject({
    agrees: false,
    compared: ["event", "stats", "sessions"],
    differences: [
      { what: "stats", field: "cdn", recorded: null, expected: "1" },
      { what: "stats", field: "p2p", recorded: null, expected: "0" },
      { what: "sessions", field: "sessions", recorded: null, expected: "1" },
    ],
  });
});

test("a row that its projection has not come to yet is none", async () => {
  expect(await withoutRows(0)).toMatchObject({ agrees: true, compared: ["event"] });
});

test("an open window is counted by the rules of now, whatever was noted of the last", async () => {
  const explainedAfter = (memoryMs: number) =>
    explain(memoryPast({ stream, events, rules, memoryOf: () => memoryMs }), query(1));
  const open = { state: "open", replayed: { payloads: 1, sessions: 0 } };
  expect(await explainedAfter(rules.sessionMemoryMs)).toMatchObject({
    ...open,
    sessionMemory: "30m",
  });
  // It may have changed in the midst of the window.
  expect(await explainedAfter(windowMs)).toMatchObject({ ...open, sessionMemory: null });
});
