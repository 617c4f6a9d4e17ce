/** The bounds of the public queries, as code and documentation both need them. */
import { dayMs } from "../domain/windows.ts";

export const rowsDefault = 1_000;
export const rowsMax = 10_000;

/** Ten years: longer than what anyone keeps. */
export const bucketMsMax = 3_650 * dayMs;
