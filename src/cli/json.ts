/** Reading JSON answers without trusting their shape. */
import { isObject, type JsonObject } from "../domain/json.ts";
import { CliFailure } from "./failure.ts";

/** The objects in a field of an answer. */
export function objectsIn(body: JsonObject, field: string): readonly JsonObject[] {
  const value = body[field];
  if (Array.isArray(value) && value.every(isObject)) return value;
  throw new CliFailure(`the answer has no list called ${field}: is this another version?`);
}
