/** Reading answers in tests, without trusting their shape. */
import { expect } from "bun:test";

export type Json = Readonly<Record<string, unknown>>;

export function asObject(value: unknown): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value));
  }
  throw new Error("expected an object");
}

export function asList(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new Error("expected an array");
}

export async function readObject(response: Response): Promise<Json> {
  return asObject(await response.json());
}

/** Expects problem details with this status, and returns them. */
export async function expectProblem(response: Response, status: number): Promise<Json> {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const problem = await readObject(response);
  expect(response.status).toBe(status);
  expect(problem.status).toBe(status);
  expect(Object.keys(problem).sort()).toEqual(["detail", "errors", "status", "title", "type"]);
  return problem;
}

/** Expects a refusal that names these parameters, in any order. */
export async function expectBadParameters(response: Response, ...pointers: string[]) {
  const { errors } = await expectProblem(response, 422);
  const found = asList(errors).map((error) => asObject(error).pointer);
  expect(found.map(String).sort()).toEqual([...pointers].sort());
}
