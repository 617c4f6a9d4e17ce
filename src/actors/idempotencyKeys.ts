import { decodeDigests, encodeDigests } from "../domain/digestCodec.ts";
import { DigestTable } from "../domain/digestTable.ts";
import { windowsKeyRemembered } from "../domain/rules.ts";
import { windowIndexOf } from "../domain/windows.ts";

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

/** The payloads that came with an idempotency key lately, by stream time. */
export class IdempotencyKeys {
  readonly #table = new DigestTable(windowsKeyRemembered);

  /** @param windowMs length of the windows by which keys are remembered. */
  constructor(private readonly windowMs: number) {}

  /** Moves to the window of a stream time, and forgets what it does not know any more. */
  enter(timeMs: number): void {
    this.#table.advance(windowIndexOf(timeMs, this.windowMs));
  }

  /** True when a payload was seen before; takes note of it in any case. */
  repeated(keys: BatchKeys | undefined, index: number): boolean {
    const key = keys?.get(index);
    return key !== undefined && this.#table.touch(key.high, key.low) >= 0;
  }

  save(): (readonly [windowIndex: number, digests: string])[] {
    return [...this.#table.entries()].map(([window, halves]) => [window, encodeDigests(halves)]);
  }

  restore(saved: readonly (readonly [windowIndex: number, digests: string])[]): void {
    for (const [window, digests] of saved) {
      decodeDigests(digests, (high, low) => this.#table.restore(high, low, window));
    }
  }
}
