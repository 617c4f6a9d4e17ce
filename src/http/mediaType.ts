/** The `Content-Type` of a request, as far as ingest needs it. */

export type MediaKind = "json" | "text" | "lines";

const kindByType: ReadonlyMap<string, MediaKind> = new Map([
  ["application/json", "json"],
  ["text/plain", "text"],
  ["application/x-ndjson", "lines"],
  ["application/ndjson", "lines"],
  ["application/jsonl", "lines"],
]);

/** Undefined for a type that ingest does not read, and for a charset other than UTF-8. */
export function mediaKind(contentType: string | null): MediaKind | undefined {
  if (contentType === null) return undefined;
  // What nearly every device sends needs no parsing.
  if (contentType === "application/json") return "json";
  const [type = "", ...parameters] = contentType.split(";");
  return parameters.every(isReadable) ? kindByType.get(type.trim().toLowerCase()) : undefined;
}

function isReadable(parameter: string): boolean {
  const [name = "", value = ""] = parameter.split("=");
  if (name.trim().toLowerCase() !== "charset") return true;
  return /^"?(utf-?8|us-ascii)"?$/i.test(value.trim());
}
