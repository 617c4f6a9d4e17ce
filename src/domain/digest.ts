/**
 * A 64-bit digest of text as two 32-bit halves: MurmurHash3 (x86, 32 bit) over the UTF-16 units,
 * once for each seed. Ours and not the runtime's, because digests and partition numbers are stored
 * and must stay the same across versions of the runtime.
 */

/** MurmurHash3 x86_32 of the text's UTF-16 units, two units a block, as an unsigned integer. */
export function hash32(text: string, seed: number): number {
  let hash = seed | 0;
  const length = text.length;
  const even = length & ~1;
  for (let i = 0; i < even; i += 2) {
    const block = text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16);
    hash ^= scramble(block);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  if (even !== length) hash ^= scramble(text.charCodeAt(even));
  hash ^= length * 2;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scramble(block: number): number {
  const mixed = Math.imul(block, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}

/** The seeds of the two halves of a digest, and of the choice of partition. */
export const highSeed = 0x9747b28c;
export const lowSeed = 0x3c6ef372;
const partitionSeed = 0x51ed270b;

/**
 * The partition of a (customer, content), from 0. Hashing the content with the customer's hash as
 * its seed keeps ("a", "bc") apart from ("ab", "c").
 */
export function partitionOf(customer: string, content: string, partitions: number): number {
  return hash32(content, hash32(customer, partitionSeed)) % partitions;
}
