/**
 * The form of an exported event log: NDJSON, compressed with gzip.
 *
 *   header   settings, and how far each partition goes
 *   events   by partition and position, one a line, as the log holds them
 *   footer   the SHA-256 of all lines before it
 *
 * The same log always gives the same lines.
 */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { isObject } from "../domain/json.ts";
import { isCount } from "../domain/payload.ts";
import { isWindowLength } from "../domain/windows.ts";
import { errorCode } from "../errorCode.ts";

export const archiveFormat = "payload-stats-events";
export const archiveVersion = 2;
const partitionsMax = 1_024;
const lineCharsMax = 256 * 1_024 * 1_024;

export interface ArchiveHeader {
  readonly format: typeof archiveFormat;
  readonly formatVersion: typeof archiveVersion;
  readonly windowMs: number;
  readonly partitions: readonly ArchivePartition[];
  /** Tells this log from others of the same shape: the MD5 of the last event of each partition. */
  readonly fingerprint: string;
}

export interface ArchivePartition {
  readonly partition: number;
  /** Position of the last event; 0 when there is none. */
  readonly position: number;
  readonly sealedThrough: string | null;
}

export interface ArchiveFooter {
  readonly end: true;
  readonly sha256: string;
}

/** What is checked of an event before Postgres checks the rest. */
interface ArchivedEvent {
  readonly partition: number;
  readonly position: number;
  readonly type: string;
  readonly version: number;
  readonly data: unknown;
}

/** The file is not what `events export` writes, or was cut off or changed. */
export class BadArchive extends Error {}

export function compressed(texts: AsyncIterable<string>): AsyncIterable<Uint8Array> {
  const gzip = createGzip();
  // A failure reaches the reader, since it destroys the stream that is read.
  pipeline(Readable.from(texts), gzip).catch(() => {});
  return gzip;
}

/** The lines of a compressed file, one at a time. @throws BadArchive */
export async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const gunzip = createGunzip();
  pipeline(Readable.from(bytes, { objectMode: false }), gunzip).catch(() => {});
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  try {
    for await (const chunk of gunzip) {
      if (!(chunk instanceof Uint8Array)) throw new BadArchive("no bytes");
      const lines = decoder.decode(chunk, { stream: true }).split("\n");
      lines[0] = rest + lines[0];
      rest = lines.pop() ?? "";
      if (rest.length > lineCharsMax) throw new BadArchive("a line is too long");
      yield* lines;
    }
  } catch (error) {
    if (error instanceof BadArchive || !isZlibError(error)) throw error;
    throw new BadArchive("the file is no gzip, or was cut off", { cause: error });
  }
  if (rest !== "") throw new BadArchive("the last line was cut off");
}

function isZlibError(error: unknown): boolean {
  return /^(Z_|ERR_ENCODING|ERR_STREAM_PREMATURE)/.test(errorCode(error) ?? "");
}

/** @throws BadArchive */
export function readHeader(line: string): ArchiveHeader {
  const value = parse(line, 1);
  if (isHeader(value)) return value;
  if (isObject(value) && value.format === archiveFormat && value.formatVersion === 1) {
    throw new BadArchive("the file is of an earlier version: export the log again");
  }
  throw new BadArchive(`the first line is no header of ${archiveFormat} ${archiveVersion}`);
}

/** @throws BadArchive */
export function readLine(line: string, number: number): ArchivedEvent | ArchiveFooter {
  const value = parse(line, number);
  if (isFooter(value) || isEvent(value)) return value;
  throw new BadArchive(`line ${number} is no event`);
}

function parse(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new BadArchive(`line ${number} is no JSON`, { cause: error });
  }
}

function isHeader(value: unknown): value is ArchiveHeader {
  return (
    isObject(value) &&
    value.format === archiveFormat &&
    value.formatVersion === archiveVersion &&
    typeof value.windowMs === "number" &&
    isWindowLength(value.windowMs) &&
    typeof value.fingerprint === "string" &&
    Array.isArray(value.partitions) &&
    value.partitions.length >= 1 &&
    value.partitions.length <= partitionsMax &&
    value.partitions.every(isPartition)
  );
}

function isPartition(one: unknown, index: number): one is ArchivePartition {
  return (
    isObject(one) &&
    one.partition === index &&
    isCount(one.position) &&
    (one.sealedThrough === null || typeof one.sealedThrough === "string")
  );
}

function isFooter(value: unknown): value is ArchiveFooter {
  return isObject(value) && value.end === true && typeof value.sha256 === "string";
}

function isEvent(value: unknown): value is ArchivedEvent {
  return (
    isObject(value) &&
    isCount(value.partition) &&
    isCount(value.position) &&
    typeof value.type === "string" &&
    isCount(value.version) &&
    isObject(value.data)
  );
}
