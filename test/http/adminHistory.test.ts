import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Explanation, ReceiptFate } from "../../src/actors/historyPorts.ts";
import { PortBusy } from "../../src/actors/readPorts.ts";
import { type AdminServer, sealedEvent, startAdminServer } from "../support/adminServer.ts";
import { expectBadParameters, expectProblem, readObject } from "../support/answers.ts";

let api: AdminServer;
beforeEach(() => {
  api = startAdminServer();
});
afterEach(() => api.server.stop(0));

const time = "2026-01-31T10:10:00.000Z";
const wholeStream = { kind: "whole-stream" as const, fromSequence: 1 };

function explanation(fields: Partial<Explanation> = {}): Explanation {
  return {
    customer: "a/b",
    content: "c",
    time,
    windowStart: "2026-01-31T10:05:00.000Z",
    windowEnd: time,
    partition: 7,
    state: "sealed",
    row: { cdn: "1", p2p: "0", sessions: "1" },
    event: sealedEvent("a/b", "c"),
    sealedAfterMs: 100,
    basis: wholeStream,
    sessionMemory: "24h",
    replayed: undefined,
    agrees: true,
    compared: ["event"],
    differences: [],
    payloads: [],
    payloadsTotal: 0,
    ...fields,
  };
}

describe("explain", () => {
  const path = `/admin/explain?time=${time}&customer=${encodeURIComponent("a/b")}&content=c`;

  test("passes the question on, and answers without digests of tokens", async () => {
    api.history.explanation = explanation();
    const text = await (await api.get(`${path}&limit=5&offset=10&tokens=shown`)).text();
    expect(api.history.asked).toEqual([
      {
        windowEndMs: Date.parse(time),
        customer: "a/b",
        content: "c",
        limit: 5,
        offset: 10,
        showTokens: true,
      },
    ]);
    expect(text).not.toContain("AAAAAAAAAAA=");
    const { event: _, ...rest } = explanation();
    expect(JSON.parse(text)).toMatchObject({ ...rest, replayed: null });
    api.history.explanation = explanation({ event: undefined, sealedAfterMs: undefined });
    expect(await readObject(await api.get(path))).toMatchObject({
      event: null,
      sealedAfterMs: null,
    });
    expect(api.history.asked.at(-1)).toMatchObject({ limit: 100, offset: 0, showTokens: false });
  });

  test("of nothing is 404", async () => {
    await expectProblem(await api.get(path), 404);
  });

  test("bad parameters", async () => {
    await expectBadParameters(await api.get("/admin/explain"), "?content", "?customer", "?time");
    const query = "time=2026-01-31T10:11:00Z&customer=a&content=b&limit=1001&tokens=yes";
    await expectBadParameters(
      await api.get(`/admin/explain?${query}`),
      "?limit",
      "?time",
      "?tokens",
    );
  });

  test("too many at once is 503, to be asked again", async () => {
    api.history.failure = new PortBusy("Too many questions.");
    const response = await api.get(path);
    expect(response.headers.has("retry-after")).toBe(true);
    expect(await expectProblem(response, 503)).toMatchObject({
      type: "urn:payload-stats:problem:overloaded",
      detail: "Too many questions.",
    });
    expect(api.logLines.join("")).not.toContain("could not be answered");
  });
});

describe("receipts", () => {
  const fate: ReceiptFate = {
    receipt: "7.1042.3",
    status: "sealed",
    partition: 7,
    receivedAt: time,
    customer: "a",
    content: "b",
    windowStart: null,
    windowEnd: time,
    startsSession: true,
    event: sealedEvent("a", "b"),
    duplicateOf: null,
    reason: null,
    retriedAs: null,
    candidates: [],
    basis: wholeStream,
  };

  test("are followed", async () => {
    api.history.fate = fate;
    const body = await readObject(await api.get("/admin/receipts/7.1042.3"));
    expect(api.history.asked).toEqual([{ partition: 7, sequence: 1042, index: 3 }]);
    expect(body).toMatchObject({ receipt: "7.1042.3", status: "sealed", duplicateOf: null });
    expect(JSON.stringify(body)).not.toContain("AAAAAAAAAAA=");
  });

  test("that are none, or were never given", async () => {
    await expectProblem(await api.get("/admin/receipts/7.1042"), 400);
    await expectProblem(await api.get("/admin/receipts/7.1042.3"), 404);
    await expectBadParameters(await api.get("/admin/receipts/7.1042.3?x=1"), "?x");
  });
});

describe("an actor as it was", () => {
  const totals = {
    windows: 1,
    cdn: 9_223_372_036_854_775_808n,
    p2p: 0n,
    sessions: 1n,
    payloads: 2n,
    duplicates: 0n,
  };
  beforeEach(() => {
    api.history.past = {
      customer: "a",
      content: "b",
      partition: 7,
      at: time,
      position: null,
      state: "idle",
      window: undefined,
      totals,
      events: [sealedEvent("a", "b")],
      basis: wholeStream,
    };
  });

  test("at a time and at a position", async () => {
    const body = await readObject(await api.get(`/admin/actors/a/b?at=${time}`));
    expect(body).toMatchObject({ state: "idle", window: null, at: time, position: null });
    expect(body.totals).toMatchObject({ cdn: "9223372036854775808", windows: 1 });
    await api.get("/admin/actors/a/b?at=12");
    await api.get(`/admin/actors/a/b?at=${Date.parse(time)}`);
    const moment = { kind: "time", timeMs: Date.parse(time) };
    expect(api.history.asked).toMatchObject([
      { customer: "a", content: "b", moment, events: 20 },
      { moment: { kind: "position", position: 12 } },
      { moment },
    ]);
  });

  test("in the future is refused, with the newest moment that there is", async () => {
    for (const [newest, at] of [
      [{ kind: "time", timeMs: Date.parse(time) }, time],
      [{ kind: "position", position: 12 }, "position 12"],
    ] as const) {
      api.history.past = { kind: "future", newest };
      const response = await api.get("/admin/actors/a/b?at=2126-01-01");
      const { errors } = await expectProblem(response, 422);
      expect(errors).toEqual([
        { pointer: "?at", detail: `is in the future: the newest moment is ${at}` },
      ]);
    }
  });

  test("that nobody knew then, and at no time", async () => {
    api.history.past = undefined;
    await expectProblem(await api.get("/admin/actors/a/b?at=5"), 404);
    for (const at of ["0", "", "yesterday", "-1"]) {
      await expectBadParameters(await api.get(`/admin/actors/a/b?at=${at}`), "?at");
    }
  });
});
