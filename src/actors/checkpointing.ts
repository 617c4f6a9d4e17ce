import { digestsIn } from "../domain/digestCodec.ts";
import type { Clock } from "./clock.ts";
import type { PartitionState } from "./partitionState.ts";

/** A checkpoint between boundaries is written after so many payloads, or about so much time. */
const payloadsMin = 200_000;
const intervalMs = 10_000;
const phases = 16;

/**
 * When is it time for a checkpoint between boundaries? They bound what is read again after a crash.
 * All partitions commit at a boundary: their next checkpoints would all come at once, if their
 * intervals were not spread over 7.5 to 12.5 s. And each writes all tokens of the open windows
 * anew: it comes sooner only when as many payloads have come as the last one held digests, so that
 * the work grows as the payloads do, and not as their square.
 */
export class CheckpointPace {
  #payloads = 0;
  #atMs = 0;
  #digests = 0;

  constructor(
    private readonly partition: number,
    private readonly clock: Pick<Clock, "monotonic">,
  ) {}

  /** There is a checkpoint after so many payloads; `written` is its state, unless it was read. */
  committed(payloads: number, written?: PartitionState): void {
    this.#payloads = payloads;
    this.#atMs = this.clock.monotonic();
    this.#digests = written === undefined ? 0 : digestsOf(written);
  }

  /** @param payloads read until now. */
  isDue(payloads: number): boolean {
    const news = payloads - this.#payloads;
    const elapsedMs = this.clock.monotonic() - this.#atMs;
    const phase = (this.partition % phases) / phases;
    return (
      news >= Math.max(payloadsMin, this.#digests) ||
      (news > 0 && elapsedMs >= intervalMs * (0.75 + phase / 2))
    );
  }
}

/** About how many digests of tokens and of keys a state holds. */
function digestsOf({ windows, keys }: PartitionState): number {
  const texts = [...windows.map(({ tokens }) => tokens), ...keys.map(([, digests]) => digests)];
  return texts.reduce((sum, text) => sum + digestsIn(text), 0);
}
