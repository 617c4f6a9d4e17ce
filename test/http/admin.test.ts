import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  type AdminServer,
  openActor,
  sealedEvent,
  startAdminServer,
} from "../support/adminServer.ts";
import {
  asList,
  asObject,
  expectBadParameters,
  expectProblem,
  readObject,
} from "../support/answers.ts";

let api: AdminServer;
beforeEach(() => {
  api = startAdminServer();
});
afterEach(() => api.server.stop(0));

const away = new Error("connect ECONNREFUSED 10.1.2.3:5432");

describe("actors", () => {
  test("the list, with filters, order and page", async () => {
    api.actors.actors.push(openActor("a", "1"), openActor("a", "2"), openActor("b", "1"));
    api.actors.silentPartitions = [3];
    const path = "/admin/actors?customer=a&state=open&sort=bytes&limit=1";
    const first = await readObject(await api.get(path));
    expect(first).toMatchObject({ actors: [openActor("a", "1")], total: 2 });
    expect(await readObject(await api.get(`${path}&cursor=${first.cursor}`))).toEqual({
      actors: [openActor("a", "2")],
      cursor: null,
      total: 2,
      silentPartitions: [3],
    });
    expect(api.actors.asked.at(-1)).toEqual({
      customer: "a",
      content: undefined,
      state: "open",
      sort: "bytes",
      limit: 1,
      after: expect.objectContaining({ weight: "0", customer: "a", content: "1" }),
    });
  });

  test("bad parameters of the list", async () => {
    const query = "state=closed&sort=size&limit=1001&cursor=x&customer=&page=2";
    const pointers = ["?cursor", "?customer", "?limit", "?page", "?sort", "?state"];
    await expectBadParameters(await api.get(`/admin/actors?${query}`), ...pointers);
  });

  test("one that lives, with its events", async () => {
    api.actors.actors.push(openActor("a/b", "%2F 😀"));
    api.queries.recorded.push(sealedEvent("a/b", "%2F 😀"), sealedEvent("a", "b"));
    const path = `/admin/actors/${encodeURIComponent("a/b")}/${encodeURIComponent("%2F 😀")}`;
    const { events, ...actor } = await readObject(await api.get(path));
    expect(actor).toEqual({ ...openActor("a/b", "%2F 😀") });
    expect(asList(events).map((event) => asObject(event).customer)).toEqual(["a/b"]);
    expect(api.queries.asked.at(-1)).toMatchObject({ limit: 20, order: "desc" });
  });

  test("one by a query, also where a path cannot hold its names", async () => {
    api.actors.actors.push(openActor("..", "."));
    const { events, ...actor } = await readObject(
      await api.get("/admin/actor?customer=..&content=."),
    );
    expect(actor).toEqual({ ...openActor("..", ".") });
    await expectBadParameters(await api.get("/admin/actor?customer="), "?content", "?customer");
  });

  test("one that lives but has no open window", async () => {
    api.actors.actors.push({ ...openActor("a", "b"), state: "idle", window: undefined });
    const body = await readObject(await api.get("/admin/actors/a/b"));
    expect(body).toMatchObject({ state: "idle", window: null, events: [] });
  });

  test("one of which only events are left", async () => {
    api.queries.recorded.push(sealedEvent("a", "b"));
    const idle = { customer: "a", content: "b", partition: 7, state: "idle", window: null };
    const unowned = await readObject(await api.get("/admin/actors/a/b"));
    expect(unowned).toMatchObject({ ...idle, owner: null, epoch: 2 });
    api.queries.partitionRows.push({ ...partition, partition: 7, owner: "host2", epoch: 4 });
    const owned = await readObject(await api.get("/admin/actors/a/b"));
    expect(owned).toMatchObject({ ...idle, owner: "host2", epoch: 4 });
  });

  test("one that nobody knows, one whose owner is silent, and a badly encoded one", async () => {
    await expectProblem(await api.get("/admin/actors/a/b"), 404);
    await expectBadParameters(await api.get("/admin/actors/a/b?now=1"), "?now");
    await expectProblem(await api.get("/admin/actors/%ff/b"), 400);
    api.queries.recorded.push(sealedEvent("a", "d"));
    api.actors.silentPartitions = [7];
    const response = await api.get("/admin/actors/a/d");
    expect(response.headers.has("retry-after")).toBe(true);
    expect((await expectProblem(response, 503)).detail).toContain("partition 7 is silent");
    const stopped = "its stream is gone";
    api.queries.partitionRows.push({ ...partition, partition: 7, owner: "host2", stopped });
    const why = await expectProblem(await api.get("/admin/actors/a/d"), 503);
    expect(why.detail).toBe("The actor's partition 7 is stopped: its stream is gone");
  });
});

const partition = {
  partition: 0,
  owner: null,
  epoch: 0,
  sequence: 5,
  position: 1,
  sealedThrough: null,
  checkpointedAt: null,
  stopped: null,
  halted: false,
};

describe("event log", () => {
  test("partitions", async () => {
    api.queries.partitionRows.push(partition);
    expect(await readObject(await api.get("/admin/partitions"))).toEqual({
      partitions: [partition],
    });
  });

  test("events come without digests of tokens", async () => {
    api.queries.recorded.push(sealedEvent("a", "b"));
    const text = await (await api.get("/admin/events")).text();
    expect(text).not.toContain("AAAAAAAAAAA=");
    const { tokens: _, ...data } = asObject(sealedEvent("a", "b").data);
    expect(JSON.parse(text)).toEqual({ events: [{ ...sealedEvent("a", "b"), data }], next: null });
  });

  test.each(["partition=7", "customer=a&content=d"])("the pages of %s", async (filter) => {
    for (let position = 1; position <= 5; position++) {
      api.queries.recorded.push(sealedEvent("a", "d", position));
    }
    const found: unknown[] = [];
    let after: unknown = 0;
    while (after !== null) {
      const path = `/admin/events?${filter}&order=asc&limit=2&afterPosition=${after}`;
      const { events, next } = await readObject(await api.get(path));
      found.push(...asList(events).map((event) => asObject(event).position));
      after = next;
    }
    expect(found).toEqual([1, 2, 3, 4, 5]);
  });

  test("bad parameters of events", async () => {
    const query = "partition=16&limit=0&order=up&customer=%00&afterPosition=-1&x=1";
    const pointers = ["?afterPosition", "?customer", "?limit", "?order", "?partition", "?x"];
    await expectBadParameters(await api.get(`/admin/events?${query}`), ...pointers);
    await expectBadParameters(await api.get("/admin/events?afterPosition=1"), "?afterPosition");
    const customer = "/admin/events?customer=a&afterPosition=1";
    await expectBadParameters(await api.get(customer), "?afterPosition");
  });
});

describe("projections", () => {
  const stats = {
    name: "stats",
    version: 1,
    state: "running" as const,
    applied: 3,
    events: 4,
    sealedThrough: null,
    rebuild: null,
    lastRebuild: null,
  };
  const row = { time: "2026-01-31T10:10:00+00:00", customer: "c", cdn: "9223372036854775807" };
  const counts = {
    comparedAt: "2026-01-31T10:00:01.000Z",
    events: 4,
    equal: 3,
    missing: 1,
    extra: 0,
    different: 0,
  };
  const missing = [{ live: null, rebuilt: row }];
  const report = { ...counts, examples: { missing, extra: [], different: [] } };
  const rebuild = {
    kind: "verify" as const,
    version: 1,
    phase: "waiting" as const,
    startedAt: "2026-01-31T10:00:00.000Z",
    applied: 1,
    events: 3,
    eventsPerSecond: 100,
    secondsLeft: 1,
    limits: { fromMs: 0, customer: "c" },
    acceptsDifferences: false,
    report,
    problem: null,
  };

  test("the list has the counts of a report, and one projection its rows", async () => {
    api.queries.projectionRows.push(stats, { ...stats, name: "sessions", rebuild });
    const limits = { from: "1970-01-01T00:00:00.000Z", to: null, customer: "c", content: null };
    const shown = { ...rebuild, percent: 33.3, limits };
    expect(await readObject(await api.get("/admin/projections"))).toEqual({
      projections: [stats, { ...stats, name: "sessions", rebuild: { ...shown, report: counts } }],
    });
    const one = await readObject(await api.get("/admin/projections/sessions"));
    expect(one.rebuild).toEqual({ ...shown, report });
    await expectProblem(await api.get("/admin/projections/nonsense"), 404);
  });

  test.each([
    ["rebuild", "", 'rebuild stats/1 {"acceptDifferences":false}'],
    ["rebuild", "?acceptDiff=true", 'rebuild stats/1 {"acceptDifferences":true}'],
    ["verify", "", 'rebuild stats/1 {"verify":true,"limits":{}}'],
    [
      "verify",
      "?from=0&to=1000&customer=c&content=%2F",
      'rebuild stats/1 {"verify":true,"limits":{"fromMs":0,"toMs":1000,"customer":"c","content":"/"}}',
    ],
    ["accept-diff", "", "accept-diff stats/1"],
    ["cancel", "", "cancel stats/1"],
    ["pause", "", "pause stats/1 all"],
    ["resume", "?part=rebuild", "resume stats/1 rebuild"],
  ])("%s%s", async (command, query, asked) => {
    const path = `/admin/projections/stats%2F1/${command}`;
    const accepted = await api.post(path + query);
    expect(accepted.status).toBe(202);
    expect(await readObject(accepted)).toEqual({ projection: "stats/1", command });
    expect(api.projections.commands).toEqual([asked]);
    api.projections.outcome = "conflict";
    await expectProblem(await api.post(path), 409);
    api.projections.outcome = "unknown";
    const problem = await expectProblem(await api.post(path), 404);
    expect(JSON.stringify(problem)).not.toContain("stats/1");
    await expectBadParameters(await api.post(`${path}?force=1`), "?force");
  });

  test("a verification to before it began is refused", async () => {
    const path = "/admin/projections/stats/verify?from=2000&to=1000";
    await expectBadParameters(await api.post(path), "?to");
    expect(api.projections.commands).toEqual([]);
  });

  test("a command that does not exist", async () => {
    await expectProblem(await api.post("/admin/projections/stats/drop"), 404);
    expect(api.projections.commands).toEqual([]);
  });
});

test("while the database is away", async () => {
  api.queries.failure = away;
  const paths = ["partitions", "events", "projections", "actors/a/b"];
  for (const path of paths) {
    const response = await api.get(`/admin/${path}`);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(JSON.stringify(await expectProblem(response, 503))).not.toContain("10.1.2.3");
  }
  expect(api.logLines.join("").split("10.1.2.3").length).toBe(paths.length + 1);
});

test("metrics and health", async () => {
  const metrics = await api.get("/metrics");
  expect(metrics.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(await metrics.text()).toBe("payload_stats_up 1\n");
  expect((await api.get("/livez")).status).toBe(200);
  expect((await api.get("/readyz")).status).toBe(200);
});

test("the OpenAPI document describes every route, with an example of each answer", async () => {
  const { paths } = await readObject(await api.get("/swagger/json"));
  const described = Object.entries(asObject(paths)).flatMap(([path, operations]) =>
    Object.entries(asObject(operations)).map(([method, operation]) => ({
      route: `${method} ${path}`,
      operation: asObject(operation),
    })),
  );
  expect(described.map(({ route }) => route).sort()).toEqual([
    "get /admin",
    "get /admin/actor",
    "get /admin/actors",
    "get /admin/actors/{customer}/{content}",
    "get /admin/events",
    "get /admin/explain",
    "get /admin/ledger",
    "get /admin/partitions",
    "get /admin/projections",
    "get /admin/projections/{name}",
    "get /admin/quarantine",
    "get /admin/quarantine/{receipt}",
    "get /admin/receipts/{receipt}",
    "get /livez",
    "get /metrics",
    "get /readyz",
    "post /admin/partitions/{partition}/accept-loss",
    "post /admin/projections/{name}/accept-diff",
    "post /admin/projections/{name}/cancel",
    "post /admin/projections/{name}/pause",
    "post /admin/projections/{name}/rebuild",
    "post /admin/projections/{name}/resume",
    "post /admin/projections/{name}/verify",
    "post /admin/quarantine/{receipt}/discard",
    "post /admin/quarantine/{receipt}/retry",
  ]);
  const lacking = described.flatMap(({ route, operation }) => {
    expect(operation.summary).toBeString();
    const responses = Object.entries(asObject(operation.responses));
    return responses
      .filter(([, response]) => Object.values(asObject(asObject(response).content)).some(isBare))
      .map(([status]) => `${route} ${status}`);
  });
  // A page for people.
  expect(lacking).toEqual(["get /admin 200"]);
});

function isBare(content: unknown): boolean {
  return !("example" in asObject(content) || "examples" in asObject(content));
}
