/** Holds what a server answers to what its OpenAPI document says. */
import Ajv from "ajv";
import { isObject, type JsonObject } from "../../src/domain/json.ts";

interface Answer {
  readonly status: number;
  readonly type: string;
  /** Undefined when it is no JSON. */
  readonly body: unknown;
}

/** Throws when an answer is not as documented. */
type Check = (method: string, path: string, answer: Answer) => void;

export type DocumentedFetch = ReturnType<typeof documentedFetch>;

/** A `fetch` for one server. Answers of routes that it does not document are not looked at. */
export function documentedFetch(baseUrl: string, headers: Record<string, string> = {}) {
  let check: Promise<Check> | undefined;
  return async (path: string, init: Parameters<typeof fetch>[1] = {}) => {
    check ??= readDocument(`${baseUrl}/swagger/json`, headers);
    const response = await fetch(baseUrl + path, init);
    const { status } = response;
    const [type = ""] = (response.headers.get("content-type") ?? "").split(";");
    const isJson = type.endsWith("json");
    const body: unknown = isJson ? await response.clone().json() : undefined;
    (await check)(init.method ?? "GET", new URL(path, baseUrl).pathname, { status, type, body });
    return response;
  };
}

async function readDocument(url: string, headers: Record<string, string>): Promise<Check> {
  const document: unknown = await (await fetch(url, { headers })).json();
  if (!isObject(document) || !isObject(document.paths)) throw new Error(`no document at ${url}`);
  const { paths } = document;
  const ajv = new Ajv({ strict: false, allErrors: true });
  ajv.addFormat("int64", true);
  ajv.addFormat("date-time", /^\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  ajv.addSchema(closed(document), "document");
  return (method, path, { status, type, body }) => {
    const template = templateOf(paths, path);
    const steps = ["paths", template, method.toLowerCase(), "responses", String(status)];
    const route = `${method} ${template}: ${status}`;
    if (template === undefined || at(document, steps.slice(0, 3)) === undefined) return;
    const documented = at(document, steps);
    if (!isObject(documented)) throw new Error(`${route} is not documented`);
    if (!isObject(at(documented, ["content", type]))) throw new Error(`${route} is no ${type}`);
    if (body === undefined || at(documented, ["content", type, "schema"]) === undefined) return;
    const pointer = [...steps, "content", type, "schema"].map(escaped).join("/");
    const validate = ajv.getSchema(`document#/${pointer}`);
    if (validate?.(body) === true) return;
    throw new Error(`${route} is not as documented: ${ajv.errorsText(validate?.errors)}`);
  };
}

/** The same schemas, which now refuse fields that they do not name. */
function closed(schema: JsonObject): JsonObject {
  const inside = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(inside);
    return isObject(value) ? closed(value) : value;
  };
  const copy = Object.fromEntries(Object.entries(schema).map(([name, one]) => [name, inside(one)]));
  const isOpen = schema.type === "object" && isObject(schema.properties);
  return isOpen ? { additionalProperties: false, ...copy } : copy;
}

/** The path of the document that this one is of: one without parameters is meant first. */
function templateOf(paths: JsonObject, path: string): string | undefined {
  const given = path.split("/");
  return Object.keys(paths)
    .filter((template) => {
      const parts = template.split("/");
      const isLike = (part: string, i: number) =>
        part.startsWith("{") ? given[i] !== "" : part === given[i];
      return parts.length === given.length && parts.every(isLike);
    })
    .sort((a, b) => a.split("{").length - b.split("{").length)[0];
}

function at(value: unknown, steps: readonly (string | undefined)[]): unknown {
  let found = value;
  for (const step of steps) {
    if (!isObject(found) || step === undefined) return undefined;
    found = found[step];
  }
  return found;
}

function escaped(step: string | undefined): string {
  const pointer = (step ?? "").replaceAll("~", "~0").replaceAll("/", "~1");
  return encodeURIComponent(pointer);
}
