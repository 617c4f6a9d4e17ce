/** A problem with the embedded servers that the person who started us can mend. */
export class EmbeddedError extends Error {}

/** The code of a system error, like ENOSPC; undefined for any other value. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
