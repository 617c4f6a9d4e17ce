/**
 * What the admin's side and the owners of partitions say to each other over NATS, as JSON with a
 * version, so that processes of two versions refuse each other instead of misreading.
 */
import type { ActorQuery, ActorView } from "../actors/readPorts.ts";
import { isObject, type JsonObject } from "../domain/json.ts";

const actorProtocolVersion = 3;

/** How long an answer is waited for: a thread may be busy with the actors of many partitions. */
export const answerMs = 3_000;

/** `list`: the first `query.limit` rows that match, in order, after `query.after`. */
export type ActorRequest =
  | { readonly kind: "list"; readonly query: ActorQuery }
  | { readonly kind: "get"; readonly customer: string; readonly content: string };

/** `total`: how many match at this owner. A `get` has one row, or none. */
export interface ActorReply {
  readonly actors: readonly ActorView[];
  readonly total: number;
}

/** A reply as it was sent. `isCut`: what the request asks for goes on after the last row. */
export interface SentActorReply extends ActorReply {
  readonly isCut: boolean;
}

export function encodeRequest(request: ActorRequest): string {
  return JSON.stringify({ v: actorProtocolVersion, ...request });
}

/** Undefined when it is no request of this version. */
export function decodeRequest(data: Uint8Array): ActorRequest | undefined {
  return parse<ActorRequest>(data, ({ kind }) => kind === "list" || kind === "get");
}

/** As many rows of a reply as `bytesMax` holds, and one at least. */
export function encodeReply({ actors, total }: ActorReply, bytesMax: number): string {
  const rows: string[] = [];
  let bytes = 0;
  for (const actor of actors) {
    const row = JSON.stringify(actor);
    bytes += Buffer.byteLength(row) + 1;
    if (rows.length > 0 && bytes > bytesMax) break;
    rows.push(row);
  }
  const isCut = rows.length < actors.length;
  const head = `"v":${actorProtocolVersion},"total":${total},"isCut":${isCut}`;
  return `{${head},"actors":[${rows.join(",")}]}`;
}

/** Undefined when it is no reply of this version. */
export function decodeReply(data: Uint8Array): SentActorReply | undefined {
  return parse<SentActorReply>(data, ({ actors }) => Array.isArray(actors));
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** What has the form of a message of this version is one: only this program writes them. */
function parse<Message extends object>(
  data: Uint8Array,
  hasForm: (value: JsonObject) => boolean,
): Message | undefined {
  try {
    const value: unknown = JSON.parse(decoder.decode(data));
    const isMessage = isObject(value) && value.v === actorProtocolVersion && hasForm(value);
    return isMessage ? (value as Message) : undefined;
  } catch {
    return undefined;
  }
}
