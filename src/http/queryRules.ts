/** The bounds of the public queries, as code and documentation both need them. */

const dayMs = 86_400_000;

export const rowsDefault = 1_000;
export const rowsMax = 10_000;

/** Ten years: longer than what anyone keeps. */
export const bucketMsMax = 3_650 * dayMs;
