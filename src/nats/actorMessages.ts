/**
 * What the admin's side and the owners of partitions say to each other over NATS, as JSON with a
 * version, so that processes of two versions refuse each other instead of misreading.
 */
import {
  type ActorKey,
  type ActorQuery,
  type ActorView,
  actorSorts,
  actorStates,
  type OpenWindowView,
} from "../actors/readPorts.ts";
import { isObject, type JsonObject } from "../domain/json.ts";
import { isCount } from "../domain/payload.ts";

const actorProtocolVersion = 2;

/** `list`: the first `query.limit` rows that match, in order, after `query.after`. */
export type ActorRequest =
  | { readonly kind: "list"; readonly query: ActorQuery }
  | { readonly kind: "get"; readonly customer: string; readonly content: string };

/** `total`: how many match at this owner. A `get` has one row, or none. */
export interface ActorReply {
  readonly actors: readonly ActorView[];
  readonly total: number;
}

/** A part of a reply: a long one takes several messages. */
interface ActorReplyPart extends ActorReply {
  /** The same in all parts of one reply. */
  readonly reply: string;
  readonly last: boolean;
}

export function encodeRequest(request: ActorRequest): string {
  return JSON.stringify({ v: actorProtocolVersion, ...request });
}

/** Undefined when it is no request of this version. */
export function decodeRequest(data: Uint8Array): ActorRequest | undefined {
  const value = parse(data);
  if (value?.kind === "list" && isQuery(value.query)) return { kind: "list", query: value.query };
  if (value?.kind !== "get") return undefined;
  const { customer, content } = value;
  if (typeof customer !== "string" || typeof content !== "string") return undefined;
  return { kind: "get", customer, content };
}

/** The messages of a reply, none of which is much larger than `bytesMax`. */
export function* encodeReply(reply: ActorReply, id: string, bytesMax: number): Generator<string> {
  let rows: string[] = [];
  let bytes = 0;
  const part = (last: boolean) =>
    `{"v":${actorProtocolVersion},"reply":${JSON.stringify(id)},"total":${reply.total},` +
    `"last":${last},"actors":[${rows.join(",")}]}`;
  for (const actor of reply.actors) {
    const row = JSON.stringify(actor);
    const rowBytes = Buffer.byteLength(row) + 1;
    if (bytes > 0 && bytes + rowBytes > bytesMax) {
      yield part(false);
      rows = [];
      bytes = 0;
    }
    rows.push(row);
    bytes += rowBytes;
  }
  yield part(true);
}

/** Undefined when it is no reply of this version. */
export function decodeReplyPart(data: Uint8Array): ActorReplyPart | undefined {
  const value = parse(data);
  if (value === undefined) return undefined;
  const { reply, last, total, actors } = value;
  if (typeof reply !== "string" || typeof last !== "boolean" || !isCount(total)) return undefined;
  if (!Array.isArray(actors) || !actors.every(isActor)) return undefined;
  return { reply, last, total, actors };
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function parse(data: Uint8Array): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(decoder.decode(data));
    return isObject(value) && value.v === actorProtocolVersion ? value : undefined;
  } catch {
    return undefined;
  }
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === "string";
}

function isOneOf(known: readonly string[], value: unknown): boolean {
  return typeof value === "string" && known.includes(value);
}

function isQuery(value: unknown): value is ActorQuery {
  return (
    isObject(value) &&
    isTextOrAbsent(value.customer) &&
    isTextOrAbsent(value.content) &&
    isTextOrAbsent(value.state) &&
    isOneOf(actorSorts, value.sort) &&
    isCount(value.limit) &&
    (value.after === undefined || isKey(value.after))
  );
}

function isKey(value: unknown): value is ActorKey {
  return (
    isObject(value) &&
    isSum(value.weight) &&
    typeof value.customer === "string" &&
    typeof value.content === "string"
  );
}

function isActor(value: unknown): value is ActorView {
  return (
    isObject(value) &&
    typeof value.customer === "string" &&
    typeof value.content === "string" &&
    typeof value.owner === "string" &&
    isCount(value.partition) &&
    isCount(value.epoch) &&
    isOneOf(actorStates, value.state) &&
    (value.window === undefined || isWindow(value.window))
  );
}

function isWindow(value: unknown): value is OpenWindowView {
  return (
    isObject(value) &&
    typeof value.windowStart === "string" &&
    typeof value.windowEnd === "string" &&
    [value.cdn, value.p2p].every(isSum) &&
    [value.sessions, value.payloads, value.duplicates].every(isCount) &&
    [value.firstSequence, value.lastSequence].every(isCount)
  );
}

function isSum(value: unknown): boolean {
  return typeof value === "string" && /^\d+$/.test(value);
}
