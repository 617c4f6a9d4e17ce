/** Digests as text, for events and checkpoints: 8 little-endian bytes each, base64. */

/** Digests take 8 bytes each, in base64. */
const charactersPerDigest = 32 / 3;
/** 4,095 digests: a multiple of what ends with a digest. */
const stepCharacters = 1_365 * 32;

/** @param halves high and low half of each digest, in turn. */
export function encodeDigests(halves: readonly number[]): string {
  const bytes = new Uint8Array(halves.length * 4);
  let at = 0;
  // A DataView would make an ArrayBuffer for each actor that seals.
  for (const half of halves) {
    bytes[at++] = half;
    bytes[at++] = half >>> 8;
    bytes[at++] = half >>> 16;
    bytes[at++] = half >>> 24;
  }
  return bytes.toBase64();
}

/** How many digests a text holds. */
export function digestsIn(text: string): number {
  return Math.floor(text.length / charactersPerDigest);
}

/** Calls back with the halves of each digest; pauses after some hundred microseconds. */
export function* decodingDigests(
  text: string,
  each: (high: number, low: number) => void,
): Generator<undefined, void> {
  for (let at = 0; at < text.length; at += stepCharacters) {
    decodeStep(text.slice(at, at + stepCharacters), each);
    yield;
  }
}

function decodeStep(text: string, each: (high: number, low: number) => void): void {
  const bytes = Uint8Array.fromBase64(text);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i + 8 <= bytes.length; i += 8) {
    each(view.getUint32(i, true), view.getUint32(i + 4, true));
  }
}
