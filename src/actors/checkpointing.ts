/** A checkpoint between boundaries is written after so many payloads, or about so much time. */
const payloadsMax = 200_000;
const intervalMs = 10_000;
const phases = 16;

/**
 * Is it time for a checkpoint between boundaries? They bound what is read again after a crash. All
 * partitions commit at a boundary: their next checkpoints would all come at once, if their
 * intervals were not spread over 7.5 to 12.5 s.
 * @param payloads read since the last commit.
 * @param elapsedMs since the last commit.
 */
export function checkpointIsDue(partition: number, payloads: number, elapsedMs: number): boolean {
  const phase = (partition % phases) / phases;
  return payloads >= payloadsMax || (payloads > 0 && elapsedMs >= intervalMs * (0.75 + phase / 2));
}
