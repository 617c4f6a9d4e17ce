/**
 * The code of an error of the system, of a connection or of Postgres; undefined when it has none.
 */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** True when a request never left: no connection could be made. */
export function isRefusedConnection(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ConnectionRefused" || code === "ECONNREFUSED";
}
