/** What went wrong at the broker, told from the client's errors. */
import { NatsError } from "nats";

/** Codes of the JetStream API that are told apart here. */
export const apiCodes = {
  accountResourcesExceeded: 10002,
  insufficientResources: 10023,
  memoryExceeded: 10028,
  storageExceeded: 10047,
  accountStorageExceeded: 10035,
  messageNotFound: 10037,
  streamNameInUse: 10058,
  streamNotFound: 10059,
  replicasNotSupported: 10074,
  storeFailed: 10077,
} as const;

/** The JetStream error code of an error; undefined when it is not from the JetStream API. */
export function apiCodeOf(error: unknown): number | undefined {
  return error instanceof NatsError ? error.api_error?.err_code : undefined;
}

/** True when the request may never have been handled, so that trying again can help. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof NatsError)) return false;
  if (error.api_error !== undefined) return error.api_error.code >= 500;
  return ["TIMEOUT", "503", "DISCONNECT", "CONNECTION_REFUSED"].includes(error.code);
}
