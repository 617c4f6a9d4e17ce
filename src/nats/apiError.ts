/** What went wrong at the broker, told from the client's errors. */
import { NatsError } from "nats";

/** Codes of the JetStream API that are told apart here. */
export const apiCodes = {
  accountResourcesExceeded: 10002,
  incompleteResults: 10004,
  noSuitablePeers: 10005,
  temporarilyUnavailable: 10008,
  notLeader: 10009,
  insufficientResources: 10023,
  memoryExceeded: 10028,
  storageExceeded: 10047,
  accountStorageExceeded: 10035,
  messageNotFound: 10037,
  streamNameInUse: 10058,
  streamNotFound: 10059,
  subjectsOverlap: 10065,
  replicasNotSupported: 10074,
  storeFailed: 10077,
} as const;

/** What a cluster says while it has no leader, or not all of its servers, as after a start. */
const transientCodes: ReadonlySet<number> = new Set([
  apiCodes.incompleteResults,
  apiCodes.noSuitablePeers,
  apiCodes.temporarilyUnavailable,
  apiCodes.notLeader,
  apiCodes.insufficientResources,
]);

/** No room: in the stream, in the account, or on the disk. */
const fullCodes: ReadonlySet<number> = new Set([
  apiCodes.accountResourcesExceeded,
  apiCodes.insufficientResources,
  apiCodes.memoryExceeded,
  apiCodes.accountStorageExceeded,
  apiCodes.storageExceeded,
  apiCodes.storeFailed,
]);

/** True when a stream refused a message for want of room. */
export function isFullCode(code: number | undefined): boolean {
  return code !== undefined && fullCodes.has(code);
}

/** The JetStream error code of an error; undefined when it is not from the JetStream API. */
export function apiCodeOf(error: unknown): number | undefined {
  return error instanceof NatsError ? error.api_error?.err_code : undefined;
}

/** True when the request may never have been handled, so that trying again can help. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof NatsError)) return false;
  if (error.api_error !== undefined) return transientCodes.has(apiCodeOf(error) ?? 0);
  return ["TIMEOUT", "503", "DISCONNECT", "CONNECTION_REFUSED"].includes(error.code);
}
