/** The bounds of HTTP (invariant I11), as code and documentation both need them. */
import { dayMs } from "../domain/windows.ts";

// --------------------------------------------------------------------------------------- ingest

/** The largest payload, alone or as a row of a batch, in bytes. */
export const payloadBytesMax = 64 * 1024;

/** The largest batch, in bytes after inflation. */
export const batchBytesMax = 8 * 1024 * 1024;

/** The most rows of a batch. The shortest valid payload takes 91 bytes, so honest batches fit. */
export const batchRowsMax = 100_000;

/** The most problems that the answer to a batch lists. */
export const batchErrorsMax = 1_000;

/** What all requests to one thread that are being read or stored may take together. */
export const singlesInFlight = { requestsMax: 16_384, bytesMax: 64 * 1024 * 1024 };
export const batchesInFlight = { requestsMax: 1_024, bytesMax: 64 * 1024 * 1024 };

// -------------------------------------------------------------------------------------- queries

export const rowsDefault = 1_000;
export const rowsMax = 10_000;

/** Ten years: longer than what anyone keeps. */
export const bucketMsMax = 3_650 * dayMs;

// ---------------------------------------------------------------------------------------- admin

/** What one answer lists of actors, of events, of quarantine, or of payloads of an explanation. */
export const adminPageDefault = 100;
export const adminPageMax = 1_000;

/** Events that come with one actor. */
export const recentEvents = 20;
