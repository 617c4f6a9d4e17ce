/** A small client of the HTTP API for tests of the whole system. */
import type { Payload } from "../../src/domain/payload.ts";

export interface ApiRow {
  readonly time: string;
  readonly windowStart: string;
  readonly windowEnd: string;
  readonly customer: string;
  readonly content: string;
  readonly cdn?: number | string;
  readonly p2p?: number | string;
  readonly sessions?: number | string;
}

interface ApiPage {
  readonly rows: readonly ApiRow[];
  readonly cursor: string | null;
  readonly meta: { readonly asOf: string; readonly sealedThrough: string | null };
}

/** The payload of the README. */
export const examplePayload: Payload = {
  token: "c98arf53-ae39-4c9d-af44-c6957ee2f748",
  customer: "Customer1",
  content: "channel1",
  timespan: 30_000,
  p2p: 0,
  cdn: 1,
  sessionDuration: 2,
};

export function post(url: string, body: unknown): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** Posts a payload and expects it to be taken. */
export async function postOne(url: string, payload: Payload): Promise<void> {
  const response = await post(`${url}/stats`, payload);
  if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`);
}

/** @throws when the answer is no page of rows. */
export async function getPage(url: string): Promise<ApiPage> {
  const response = await fetch(url);
  const body: unknown = await response.json();
  if (response.ok && isPage(body)) return body;
  throw new Error(`${response.status}: ${JSON.stringify(body)}`);
}

function isPage(body: unknown): body is ApiPage {
  return typeof body === "object" && body !== null && "rows" in body && "meta" in body;
}
