import { decodingDigests, digestsIn, encodeDigests } from "../domain/digestCodec.ts";
import { DigestTable } from "../domain/digestTable.ts";
import { windowsKeyRemembered } from "../domain/rules.ts";
import { windowIndexOf } from "../domain/windows.ts";
import type { PartitionState } from "./partitionState.ts";

interface KeyDigest {
  readonly high: number;
  readonly low: number;
}

/** The digests of a batch's idempotency keys, by the index of their payload. */
type BatchKeys = ReadonlyMap<unknown, KeyDigest>;

/** Reads `Batch.keys`; what is malformed is left out. Undefined when there are none. */
export function readBatchKeys(keys: readonly unknown[]): BatchKeys | undefined {
  if (keys.length === 0) return undefined;
  const digests = new Map<unknown, KeyDigest>();
  for (let i = 0; i < keys.length; i += 2) {
    const text = keys[i + 1];
    if (typeof text !== "string" || !/^[0-9a-f]{16}$/.test(text)) continue;
    const [high, low] = [text.slice(0, 8), text.slice(8)].map((half) => Number.parseInt(half, 16));
    digests.set(keys[i], { high: high ?? 0, low: low ?? 0 });
  }
  return digests;
}

/** Digests by the index of the window they were seen in, oldest first. */
type SavedKeys = PartitionState["keys"];

/** What was seen in a stretch of a window. */
interface Stretch {
  /** Index of the window. */
  readonly window: number;
  readonly digests: DigestTable;
}

const stretchesMax = 10;

/**
 * The payloads that came with an idempotency key lately, by stream time: those of a window and of
 * the two before it, but no more than a checkpoint can hold.
 *
 * They are kept in stretches. One begins with each window in which there are any, and when the one
 * before it is full; so they depend on nothing but the payloads of the last windows. When there are
 * too many, the oldest is forgotten as a whole.
 */
export class IdempotencyKeys {
  #window = 0;
  /** The oldest first. */
  #stretches: Stretch[] = [];

  /**
   * @param windowMs length of the windows by which keys are remembered.
   * @param stretchMax keys in a stretch. The last ones of three windows may hold less, so of more
   *   keys than are remembered seven full stretches are known at least: 1,835,008.
   */
  constructor(
    private readonly windowMs: number,
    private readonly stretchMax = 2 ** 18,
  ) {}

  /** Moves to the window of a stream time, and forgets what it does not know any more. */
  enter(timeMs: number): void {
    const window = windowIndexOf(timeMs, this.windowMs);
    if (window <= this.#window) return;
    this.#window = window;
    this.#stretches = this.#stretches.filter((stretch) => this.#isRecent(stretch.window));
  }

  /** True when a payload was seen before; takes note of it in any case. */
  repeated(keys: BatchKeys | undefined, index: number): boolean {
    const key = keys?.get(index);
    if (key === undefined) return false;
    const { high, low } = key;
    const isKnown = this.#stretches.some(({ digests }) => digests.has(high, low));
    this.#current().touch(high, low);
    return isKnown;
  }

  /** For a checkpoint; pauses after each stretch. */
  *saving(): Generator<undefined, SavedKeys> {
    const saved: (readonly [number, string])[] = [];
    for (const { window, digests } of this.#stretches) {
      saved.push([window, encodeDigests(digests.digests())]);
      yield;
    }
    return saved;
  }

  /**
   * Goes back to a checkpoint, with pauses.
   * @param saved oldest first; older programs saved one stretch a window, of any size and in any
   *   order.
   */
  *restoring(saved: SavedKeys): Generator<undefined, void> {
    const byAge = saved.toSorted(([one], [another]) => one - another);
    for (const [window, text] of byAge) {
      if (!this.#isRecent(window)) continue;
      const digests = new DigestTable(0, digestsIn(text));
      yield* decodingDigests(text, (high, low) => digests.touch(high, low));
      this.#stretches.push({ window, digests });
    }
  }

  #isRecent(window: number): boolean {
    return this.#window - window <= windowsKeyRemembered;
  }

  /** What the next one is noted in. */
  #current(): DigestTable {
    const last = this.#stretches.at(-1);
    if (last?.window === this.#window && last.digests.size < this.stretchMax) return last.digests;
    const digests = new DigestTable(0);
    this.#stretches.push({ window: this.#window, digests });
    if (this.#stretches.length > stretchesMax) this.#stretches.shift();
    return digests;
  }
}
