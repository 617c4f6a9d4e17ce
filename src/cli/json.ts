/** Reading JSON answers without trusting their shape. */
import { CliFailure } from "./failure.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The objects in a field of an answer. */
export function objectsIn(body: JsonObject, field: string): readonly JsonObject[] {
  const value = body[field];
  if (Array.isArray(value) && value.every(isObject)) return value;
  throw new CliFailure(`the answer has no list called ${field}: is this another version?`);
}
