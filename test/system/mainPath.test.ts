/** The main path on the whole system, as the README walks it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import postgres from "postgres";
import { type ApiRow, examplePayload, getPage, post, postOne } from "../support/api.ts";
import { type TestProcess, type TestSite, testSite } from "../support/process.ts";
import { until } from "../support/until.ts";

const windowMs = 2_000;
let site: TestSite;
let running: TestProcess;

beforeAll(async () => {
  site = await testSite({ WINDOW: "2s" });
  running = await site.start();
}, 60_000);
afterAll(() => site.clear());

/** The rows of a customer, once there are as many as expected. */
function rowsOf(path: string, customer: string, count = 1): Promise<readonly ApiRow[]> {
  const query = new URLSearchParams({ customer, order: "asc" });
  return until(
    async () => {
      const { rows } = await getPage(`${running.url}${path}?${query}`);
      return rows.length >= count ? rows : undefined;
    },
    { what: `${count} rows of ${path}`, timeoutMs: 15_000 },
  );
}

async function json(url: string): Promise<Record<string, unknown>> {
  const body: unknown = await (await fetch(url)).json();
  return { ...(typeof body === "object" ? body : {}) };
}

describe("the payload of the README", () => {
  test("is seen in its actor, then in stats, sessions, the tables and the events", async () => {
    await until(() => Date.now() % windowMs < windowMs / 2, { what: "a window that has begun" });
    const posted = await post(`${running.url}/stats`, examplePayload);
    expect(posted.status).toBe(202);
    expect(await posted.json()).toEqual({ receipt: expect.stringMatching(/^\d+\.\d+\.0$/) });
    // At once: who is told that a payload is stored finds it in its actor.
    const actor = await json(`${running.adminUrl}/admin/actors/Customer1/channel1`);
    expect(actor.state).toBe("open");
    expect(actor.window).toMatchObject({ cdn: "1", p2p: "0", sessions: 1, payloads: 1 });

    const [row] = await rowsOf("/stats", "Customer1");
    expect(row).toMatchObject({ content: "channel1", cdn: 1, p2p: 0 });
    expect(row?.time).toBe(row?.windowEnd ?? "");
    expect(Date.parse(row?.windowEnd ?? "") - Date.parse(row?.windowStart ?? "")).toBe(windowMs);
    const [sessions] = await rowsOf("/sessions", "Customer1");
    expect(sessions).toMatchObject({ content: "channel1", sessions: 1, time: row?.time ?? "" });

    const sql = postgres(running.databaseUrl, { max: 1 });
    const tables = await sql`
      select cdn::text, p2p::text, sessions::text
      from stats join sessions using (time, customer, content) where customer = 'Customer1'
    `;
    expect([...tables]).toEqual([{ cdn: "1", p2p: "0", sessions: "1" }]);
    const forbidden = sql`update events set type = 'x'`.then(
      () => "allowed",
      (error: Error) => error.message,
    );
    expect(await forbidden).toContain("append-only");
    await sql.end();
  }, 30_000);
});

describe("metrics", () => {
  test("tell what every role does, in the text format of Prometheus", async () => {
    await postOne(running.url, { ...examplePayload, customer: "measured" });
    await rowsOf("/stats", "measured");
    const text = await (await fetch(`${running.adminUrl}/metrics`)).text();
    const values = new Map<string, number>();
    for (const line of text
      .trimEnd()
      .split("\n")
      .filter((one) => !one.startsWith("#"))) {
      const match = /^([a-z_]+(?:\{[a-z]+="[a-z ]+"\})?) ([0-9.]+)$/.exec(line);
      expect(match, line).not.toBeNull();
      values.set(match?.[1] ?? "", Number(match?.[2]));
    }
    expect(values.get('payload_stats_check{check="postgres"}')).toBe(1);
    expect(values.get('payload_stats_partitions{state="running"}')).toBe(16);
    expect(values.get('payload_stats_partitions{state="stopped"}')).toBe(0);
    expect(values.get('payload_stats_accepted_total{by="ingest"}')).toBeGreaterThan(0);
    expect(values.get("payload_stats_payloads_read")).toBeGreaterThan(0);
    expect(values.get("payload_stats_remembered_tokens")).toBeGreaterThan(0);
    expect(values.get("payload_stats_actors")).toBeGreaterThan(0);
    const sealedThroughMs = (values.get("payload_stats_sealed_through_seconds") ?? 0) * 1_000;
    expect(Math.abs(Date.now() - sealedThroughMs)).toBeLessThan(60_000);
  }, 30_000);
});

describe("windows", () => {
  test("seal without any traffic after them", async () => {
    await postOne(running.url, { ...examplePayload, customer: "quiet" });
    const [row] = await rowsOf("/stats", "quiet");
    const endMs = Date.parse(row?.windowEnd ?? "");
    await until(
      async () => {
        const { meta } = await getPage(`${running.url}/stats?limit=1`);
        return Date.parse(meta.sealedThrough ?? "") >= endMs;
      },
      { what: "all partitions to have sealed the window" },
    );
  }, 30_000);

  test("that ended while the system was down seal after the start, into the right rows", async () => {
    const sent = Date.now();
    await postOne(running.url, { ...examplePayload, customer: "downtime", cdn: 7 });
    const answered = Date.now();
    await running.killGroup();
    await until(() => Date.now() > sent + 2 * windowMs, { what: "the window to be over" });
    running = await site.start();
    const [row] = await rowsOf("/stats", "downtime");
    expect(row?.cdn).toBe(7);
    expect(Date.parse(row?.windowStart ?? "")).toBeLessThanOrEqual(answered);
    expect(Date.parse(row?.windowEnd ?? "")).toBeGreaterThan(sent);
  }, 60_000);
});

describe("names", () => {
  const names = [
    "a.b.c",
    "two  spaces ",
    "*",
    ">",
    `quotes " ' \``,
    "'; DROP TABLE stats; --",
    "😀 emoji",
    "مرحبا ‏right-to-left",
    "é".repeat(256),
    "__proto__",
    "constructor",
    "%2F",
    "a/b",
    "..",
    "NULL",
    "=1+1",
  ];
  test("arrive byte for byte, and are found again by query and by path", async () => {
    for (const name of names) {
      await postOne(running.url, { ...examplePayload, customer: name, content: name });
    }
    for (const name of names) {
      const [row] = await rowsOf("/stats", name);
      expect(row).toMatchObject({ customer: name, content: name, cdn: 1 });
      // A URL cannot hold a path segment of dots alone; the query can.
      if (name === "..") continue;
      const path = `${encodeURIComponent(name)}/${encodeURIComponent(name)}`;
      const { rows } = await getPage(`${running.url}/stats/${path}`);
      expect(rows).toMatchObject([{ customer: name, content: name }]);
    }
  }, 60_000);
  test("with control characters are refused with 422, and nothing changes", async () => {
    const answer = await post(`${running.url}/stats`, { ...examplePayload, customer: "a\r\nb" });
    expect(answer.status).toBe(422);
    expect(answer.headers.get("content-type")).toContain("application/problem+json");
  });
});

describe("a rebuild", () => {
  test("while payloads arrive gives the same table, and readers see no gap", async () => {
    for (let i = 0; i < 50; i++) {
      await postOne(running.url, { ...examplePayload, customer: "rebuilt", content: `c${i}` });
    }
    await rowsOf("/stats", "rebuilt", 50);
    const sql = postgres(running.databaseUrl, { max: 2 });
    const ending = new AbortController();
    const counts: number[] = [];
    const reader = (async () => {
      while (!ending.signal.aborted) {
        counts.push((await sql`select from stats where customer = 'rebuilt'`).length);
      }
    })();
    const sender = (async () => {
      for (let i = 0; !ending.signal.aborted; i++) {
        await postOne(running.url, { ...examplePayload, customer: "meanwhile", cdn: i });
      }
    })();
    const before = (await sql`select 'stats'::regclass::oid::text as oid`)[0]?.oid;
    const asked = await fetch(`${running.adminUrl}/admin/projections/stats/rebuild`, {
      method: "POST",
    });
    expect(asked.status).toBe(202);
    await until(
      async () => (await sql`select 'stats'::regclass::oid::text as oid`)[0]?.oid !== before,
      { what: "the rebuilt table to be in place", timeoutMs: 20_000 },
    );
    ending.abort();
    await Promise.all([reader, sender]);
    expect(counts.every((count) => count === 50)).toBe(true);
    const differences = await until(
      async () => {
        const [behind] = await sql`
          select from projection_positions o join partitions p using (partition)
          where o.position <> p.position
        `;
        if (behind !== undefined) return undefined;
        return await sql`
          select from stats full join (
            select window_end as time, customer, content, (data ->> 'cdn')::bigint as cdn,
              (data ->> 'p2p')::bigint as p2p
            from events
          ) as folded using (time, customer, content)
          where (stats.cdn, stats.p2p) is distinct from (folded.cdn, folded.p2p)
        `;
      },
      { what: "the projections to have caught up" },
    );
    expect(differences.length).toBe(0);
    await sql.end();
  }, 60_000);
});

describe("SIGTERM", () => {
  test("drains, checkpoints, stops the servers, and exits 0; nothing is lost", async () => {
    await postOne(running.url, { ...examplePayload, customer: "stopped", cdn: 3 });
    expect(await running.stop()).toBe(0);
    await expect(fetch(`${running.url}/livez`)).rejects.toThrow();
    running = await site.start();
    const [row] = await rowsOf("/stats", "stopped");
    expect(row?.cdn).toBe(3);
    expect(await running.stop()).toBe(0);
  }, 60_000);
});
