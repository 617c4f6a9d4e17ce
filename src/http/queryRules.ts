/** The parameters of the public queries and their bounds, as code and documentation both need. */

const dayMs = 86_400_000;

export const rowsDefault = 1_000;
export const rowsMax = 10_000;

/** Ten years: longer than what anyone keeps. */
export const bucketMsMax = 3_650 * dayMs;

/** Parameters that choose customer and content. */
export const windowParameters = ["customer", "content"] as const;

export const pageParameters = [
  "from",
  "to",
  "bucket",
  "order",
  "limit",
  "cursor",
  "format",
] as const;
