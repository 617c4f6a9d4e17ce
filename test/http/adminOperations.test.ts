/** Ledger, quarantine and accepted losses over HTTP. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { QuarantineRow, RetryOutcome } from "../../src/actors/operatorPorts.ts";
import { type AdminServer, startAdminServer } from "../support/adminServer.ts";
import { asList, expectBadParameters, expectProblem, readObject } from "../support/answers.ts";

const quarantinedAt = "2026-01-31T10:10:00.123Z";
let api: AdminServer;
beforeEach(() => {
  api = startAdminServer();
});
afterEach(() => api.server.stop(0));

function row(id: number, index: number, incarnation = 0): QuarantineRow {
  return {
    id,
    place: { partition: 7, sequence: 1042, index, incarnation },
    reason: "odd",
    found: "{",
    quarantinedAt,
    state: "held",
    retriedAs: null,
    decidedAt: null,
    decidedBy: null,
  };
}

const rest = { partition: 7, sequence: 1042, reason: "odd", found: "{", quarantinedAt };
const undecided = { state: "held", retriedAs: null, decidedAt: null, decidedBy: null };

describe("the quarantine", () => {
  test("is listed with filters and pages", async () => {
    api.quarantine.rows.push(row(9, 3), row(8, -1), row(5, -1, 1));
    const path = "/admin/quarantine?partition=7&state=held&reason=odd%20one&before=10&limit=2";
    const page = await readObject(await api.get(path));
    expect(asList(page.quarantine)).toEqual([
      { id: 9, receipt: "7.1042.3", index: 3, ...rest, ...undecided },
      { id: 8, receipt: "7.1042", index: -1, ...rest, ...undecided },
    ]);
    expect(page.next).toBe(8);
    expect(api.quarantine.asked).toEqual([
      { partition: 7, state: "held", reason: "odd one", before: 10, limit: 2 },
    ]);
    const all = await readObject(await api.get("/admin/quarantine"));
    expect(asList(all.quarantine)).toHaveLength(3);
    expect(all.next).toBeNull();
  });

  test("refuses bad parameters", async () => {
    const query = "limit=1001&partition=16&state=open&before=0&x=1";
    const pointers = ["?before", "?limit", "?partition", "?state", "?x"];
    await expectBadParameters(await api.get(`/admin/quarantine?${query}`), ...pointers);
    await expectBadParameters(await api.get("/admin/quarantine?reason=%00"), "?reason");
  });

  test("shows a payload, a message, and one of an earlier incarnation", async () => {
    api.quarantine.rows.push(row(9, 3), row(5, -1, 1));
    const payload = await readObject(await api.get("/admin/quarantine/7.1042.3"));
    expect(payload).toMatchObject({ id: 9, receipt: "7.1042.3" });
    const message = await readObject(await api.get("/admin/quarantine/7.1042@1"));
    expect(message).toMatchObject({ id: 5, receipt: "7.1042@1" });
    await expectProblem(await api.get("/admin/quarantine/7.1042.4"), 404);
    for (const bad of ["7", "7.x", "7.1.2.3", "7.1@", "-1.1"]) {
      await expectProblem(await api.get(`/admin/quarantine/${bad}`), 400);
    }
  });

  test("retries, and says why not", async () => {
    const path = "/admin/quarantine/7.1042/retry";
    const done = await api.post(`${path}?by=anna`);
    expect(await readObject(done)).toEqual({ receipt: "7.1042", retriedAs: "7.2001.0" });
    expect(api.quarantine.decided).toEqual(["retry 7.1042 anna"]);
    const refused: RetryOutcome["kind"][] = [
      ...(["already", "discarded", "lost", "oversized", "uncertain", "busy"] as const),
    ];
    for (const kind of refused) {
      if (kind !== "retried") api.quarantine.retryOutcome = { kind };
      await expectProblem(await api.post(path), 409);
    }
    api.quarantine.retryOutcome = { kind: "unknown" };
    await expectProblem(await api.post(path), 404);
  });

  test("discards, and says why not", async () => {
    const path = "/admin/quarantine/7.1042.3/discard";
    expect(await readObject(await api.post(path))).toEqual({
      receipt: "7.1042.3",
      discarded: true,
    });
    expect(api.quarantine.decided).toEqual(["discard 7.1042.3 admin API"]);
    api.quarantine.discardOutcome = "conflict";
    await expectProblem(await api.post(path), 409);
    api.quarantine.discardOutcome = "unknown";
    await expectProblem(await api.post(path), 404);
    await expectBadParameters(await api.post(`${path}?force=1`), "?force");
  });
});

describe("the ledger", () => {
  test("is reported as it is, recounted when asked for", async () => {
    expect(await readObject(await api.get("/admin/ledger"))).toEqual({ ...api.ledger.current });
    expect((await api.get("/admin/ledger?recount=true")).status).toBe(200);
    expect(api.ledger.recounts).toEqual([false, true]);
    await expectBadParameters(await api.get("/admin/ledger?recount=1"), "?recount");
  });
});

describe("accepting a loss", () => {
  const path = "/admin/partitions/3/accept-loss";
  test("is refused while the partition runs, and where there is none", async () => {
    await expectProblem(await api.post(path), 409);
    api.partitionControl.outcome = { kind: "conflict" };
    await expectProblem(await api.post(path), 409);
    api.partitionControl.outcome = { kind: "unknown" };
    await expectProblem(await api.post(path), 404);
    await expectProblem(await api.post("/admin/partitions/x/accept-loss"), 400);
  });

  test("answers with what was recorded", async () => {
    const data = {
      reason: "made anew",
      checkpoint: { sequence: 9, time: "1" },
      streamCreatedBefore: "a",
      streamCreatedAfter: "b",
      firstSequence: 1,
      lastSequence: 0,
      continuesFrom: 1,
    };
    api.partitionControl.outcome = { kind: "accepted", position: 5, data };
    const answer = await readObject(await api.post(`${path}?by=anna`));
    expect(answer).toEqual({ partition: 3, position: 5, ...data });
    expect(api.partitionControl.accepted).toEqual(["3 anna"]);
  });
});
