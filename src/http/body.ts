/**
 * Reads the body of a request within limits. The declared length is checked before anything is
 * read. A small body is then read in one go, which takes less CPU time than a stream. Any other
 * takes its room and is bounded chunk by chunk, as it arrives or comes out of a decompressor: so a
 * bomb costs no more memory than an honest body of the largest size, and who declares much and
 * sends little takes little room.
 */
import type { Share } from "./admission.ts";
import { isJsonSpace } from "./batchRows.ts";
import { overloaded } from "./ingestProblems.ts";
import { batchRowsMax } from "./limits.ts";
import { Problem } from "./problem.ts";

type Compression = "gzip" | "zstd";

/** How long a body may take to arrive. */
const arrivalMsMax = 20_000;

/**
 * Up to this declared length a body is read in one go, and has no deadline of ours, which costs
 * more than reading it; the server closes a connection whose request takes longer than its idle
 * timeout.
 */
const wholeBytesMax = 4_096;

const decoder = new TextDecoder("utf-8", { fatal: true });
/** A mark of the byte order belongs to the beginning of a text only. */
const lineDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lineFeed = 0x0a;

/** How a body is read: in one go, or as a stream whose length is known at its end only. */
export type BodyPlan = {
  readonly bytesMax: number;
} & (
  | { readonly kind: "whole"; readonly length: number }
  | {
      readonly kind: "stream";
      readonly compression: Compression | undefined;
      /** As it is sent; undefined for a chunked body. */
      readonly length: number | undefined;
    }
);

/** Decides from the headers alone how to read a body, or to refuse it. */
export function planBody(headers: Headers, bytesMax: number): BodyPlan | Problem {
  const compression = compressionOf(headers.get("content-encoding"));
  if (compression instanceof Problem) return compression;
  const declared = headers.get("content-length");
  const length = declared === null ? undefined : Number(declared);
  if (length !== undefined && !(length <= bytesMax)) return tooLarge(bytesMax);
  return compression === undefined && length !== undefined && length <= wholeBytesMax
    ? { kind: "whole", length, bytesMax }
    : { kind: "stream", compression, length, bytesMax };
}

/**
 * The text of the body: inflated, at most `bytesMax` bytes, and valid UTF-8.
 * @param share holds the length of a body that is read in one go, or grows by what arrives.
 * @param decode gives the text of all bytes, or throws when they are no UTF-8.
 */
export function readBody(
  request: Request,
  plan: BodyPlan,
  share: Share,
  decode = decodeText,
  arrivalMs = arrivalMsMax,
): Promise<string | Problem> {
  const { bytesMax } = plan;
  const decodeRead = (read: Uint8Array | Problem) =>
    read instanceof Problem ? read : textOf(read, bytesMax, decode);
  if (plan.kind === "stream") {
    return readStream(request, plan, share, arrivalMs).then(decodeRead);
  }
  return request.bytes().then(decodeRead, incomplete);
}

/** @throws when the bytes are no UTF-8. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/**
 * Lines that are no UTF-8 become a character that is no JSON, so that the others can be taken.
 * Blank lines are left out, and so is what comes after more rows than a batch may have.
 */
export function decodeLines(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    const lines: string[] = [];
    for (let start = 0; lines.length <= batchRowsMax; ) {
      // Line feeds are among the white space.
      while (start < bytes.length && isJsonSpace(bytes[start] ?? 0)) start++;
      if (start === bytes.length) break;
      const found = bytes.indexOf(lineFeed, start);
      const end = found === -1 ? bytes.length : found;
      lines.push(decodeLine(bytes.subarray(start, end), start === 0));
      start = end;
    }
    return lines.join("\n");
  }
}

function decodeLine(bytes: Uint8Array, isFirst: boolean): string {
  try {
    return (isFirst ? decoder : lineDecoder).decode(bytes);
  } catch {
    return "\ufffd";
  }
}

function textOf(
  bytes: Uint8Array,
  bytesMax: number,
  decode: (bytes: Uint8Array) => string,
): string | Problem {
  if (bytes.length > bytesMax) return tooLarge(bytesMax);
  try {
    return decode(bytes);
  } catch {
    return new Problem("malformed-body", "The body is not valid UTF-8.");
  }
}

function tooLarge(bytesMax: number): Problem {
  return new Problem("too-large", `The body may hold at most ${bytesMax} bytes, inflated.`);
}

function compressionOf(encoding: string | null): Compression | undefined | Problem {
  if (encoding === null) return undefined;
  const name = encoding.trim().toLowerCase();
  if (name === "identity" || name === "") return undefined;
  if (name === "gzip" || name === "x-gzip") return "gzip";
  if (name === "zstd") return "zstd";
  return new Problem("unsupported-type", "Content-Encoding may be gzip, zstd or identity.", {
    headers: { "accept-encoding": "gzip, zstd" },
  });
}

async function readStream(
  request: Request,
  plan: BodyPlan & { readonly kind: "stream" },
  share: Share,
  arrivalMs: number,
): Promise<Uint8Array | Problem> {
  const { compression, length = 0, bytesMax } = plan;
  const { body } = request;
  const limits = { bytesMax, share, arrivalMs };
  if (compression === undefined) {
    const read =
      body === null ? new Uint8Array(0) : await collect(body, { ...limits, broken: incomplete });
    return read instanceof Problem || read.length >= length ? read : incomplete();
  }
  const broken = () => new Problem("malformed-body", `The body is not valid ${compression}.`);
  // Even what is empty takes some bytes when it is compressed, so these were lost on the way.
  if (body === null) return broken();
  // Unlike the functions of node:zlib, the stream also notices a zstd frame that was cut short.
  const inflated = body.pipeThrough(new DecompressionStream(compression));
  return await collect(inflated, { ...limits, broken });
}

interface StreamLimits {
  readonly bytesMax: number;
  readonly share: Share;
  readonly arrivalMs: number;
  readonly broken: () => Problem;
}

/** Gathers a stream's bytes, and lets go of it at once when they are too many or too late. */
async function collect(
  stream: ReadableStream<Uint8Array>,
  { bytesMax, share, arrivalMs, broken }: StreamLimits,
): Promise<Uint8Array | Problem> {
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  let isLate = false;
  const release = () => reader.cancel().catch(() => {});
  const timer = setTimeout(() => {
    isLate = true;
    void release();
  }, arrivalMs);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (isLate) return late();
      if (done) return Buffer.concat(chunks, length);
      length += value.length;
      const isTooLarge = length > bytesMax;
      if (isTooLarge || !share.grow(value.length)) {
        void release();
        return isTooLarge ? tooLarge(bytesMax) : overloaded();
      }
      chunks.push(value);
    }
  } catch {
    return broken();
  } finally {
    clearTimeout(timer);
  }
}

function late(): Problem {
  return new Problem("timeout", "The body took too long to arrive.");
}

function incomplete(): Problem {
  return new Problem("malformed-body", "The body ended before it was complete.");
}
