/**
 * The service as far as the simulator sees it, counted naively in memory: one row for each window,
 * customer and content. A test can spoil its rows to see whether the simulator notices.
 */
import { checkPayload, type Payload } from "../../src/domain/payload.ts";

interface FakeRow {
  readonly customer: string;
  readonly content: string;
  readonly window: number;
  cdn: number;
  p2p: number;
  sessions: number;
}

export interface FakeService extends AsyncDisposable {
  readonly url: string;
  /** What the tables are said to hold, given what they hold. */
  spoil: (rows: readonly FakeRow[], table: string) => readonly FakeRow[];
  /** Answers the next so many POSTs with 503, after storing them or without. */
  refuseNext: { count: number; stored: boolean };
  received: number;
}

export function startFakeService(windowMs: number): FakeService {
  const rows = new Map<string, FakeRow>();
  const tokens = new Set<string>();
  const keys = new Set<string>();

  function store(payload: Payload, key: string | undefined): void {
    if (key !== undefined && keys.has(key)) return;
    if (key !== undefined) keys.add(key);
    const { token, customer, content, cdn, p2p, sessionDuration } = payload;
    const window = Math.floor(Date.now() / windowMs);
    const place = JSON.stringify([customer, content, window]);
    const row = rows.get(place) ?? { customer, content, window, cdn: 0, p2p: 0, sessions: 0 };
    rows.set(place, row);
    row.cdn += cdn;
    row.p2p += p2p;
    const tokenKey = JSON.stringify([customer, content, token]);
    const counts = !tokens.has(tokenKey) || cdn + p2p === 0;
    if (sessionDuration < windowMs && counts) row.sessions++;
    tokens.add(tokenKey);
  }

  async function post(request: Request): Promise<Response> {
    const bytes = new Uint8Array(await request.arrayBuffer());
    const isBatch = request.headers.get("content-encoding") === "gzip";
    const text = new TextDecoder().decode(isBatch ? Bun.gunzipSync(bytes) : bytes);
    const lines = text.split("\n").filter((line) => line !== "");
    const key = request.headers.get("idempotency-key");
    const refused = service.refuseNext.count > 0;
    if (refused) service.refuseNext.count--;
    if (!refused || service.refuseNext.stored) {
      for (const [index, line] of lines.entries()) {
        const check = checkPayload(JSON.parse(line));
        if (!check.ok) return new Response(null, { status: 422 });
        store(check.payload, key === null ? undefined : `${key}.${index}.${line}`);
        service.received++;
      }
    }
    if (refused) return new Response(null, { status: 503, headers: { "retry-after": "0" } });
    const answer = { accepted: lines.length, rejected: 0, errors: [], receipt: "0.1.0" };
    return Response.json(answer, { status: 202 });
  }

  function page(request: Request): Response {
    const { searchParams, pathname } = new URL(request.url);
    const bucket = /^(\d+)(s|m|h|d)$/.exec(searchParams.get("bucket") ?? "1d");
    const factors: Record<string, number> = { s: 1e3, m: 6e4, h: 36e5, d: 864e5 };
    const bucketMs = Number(bucket?.[1]) * (factors[bucket?.[2] ?? ""] ?? Number.NaN);
    if (bucketMs % windowMs !== 0) return new Response(null, { status: 422 });
    const now = Math.floor(Date.now() / windowMs);
    const mine = [...rows.values()]
      .filter((row) => row.customer === searchParams.get("customer") && row.window < now)
      .sort((a, b) => a.window - b.window);
    const found = service
      .spoil(mine, pathname.slice(1))
      .map(({ customer, content, window, cdn, p2p, sessions }) => {
        const windowEnd = new Date((window + 1) * windowMs).toISOString();
        const windowStart = new Date(window * windowMs).toISOString();
        const values = pathname === "/stats" ? { cdn, p2p: `${p2p}` } : { sessions };
        return { time: windowEnd, windowStart, windowEnd, customer, content, ...values };
      });
    // Two pages, so that the cursor is followed.
    const half = Math.ceil(found.length / 2);
    const second = searchParams.get("cursor") !== null;
    return Response.json({
      rows: second ? found.slice(half) : found.slice(0, half),
      cursor: second || found.length < 2 ? null : "second",
      meta: { asOf: null, sealedThrough: new Date(now * windowMs).toISOString() },
    });
  }

  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => (request.method === "POST" ? post(request) : page(request)),
  });
  const service: FakeService = {
    url: `http://127.0.0.1:${server.port}`,
    spoil: (found) => found,
    refuseNext: { count: 0, stored: false },
    received: 0,
    [Symbol.asyncDispose]: async () => await server.stop(true),
  };
  return service;
}
