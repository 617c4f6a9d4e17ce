/**
 * Reads the query parameters of a request strictly, from its raw URL: Elysia keeps one of two
 * equal names and repairs what is badly encoded. Every problem is collected, so that all of them
 * can be mended at once.
 */
import { formatDuration, parseDuration } from "../domain/duration.ts";
import { type FieldProblem, isText, textBytesMax, textProblem } from "../domain/payload.ts";
import { Problem } from "./problem.ts";
import { parseTime } from "./timeText.ts";

const problemsMax = 100;
const unknownNameCharsMax = 64;

interface Parameter {
  readonly name: string;
  /** Undefined when it is not percent-encoded UTF-8. */
  readonly value: string | undefined;
}

/**
 * Reads one parameter at a time; `finish` refuses the request when any of them was bad, or another
 * one was given.
 */
export class QueryReader {
  readonly #given: ReadonlyMap<string, readonly Parameter[]>;
  /** What the route understands: the names that it has asked for. */
  readonly #known = new Set<string>();
  readonly #problems: FieldProblem[] = [];
  /** Names that were given badly: one problem each is enough. */
  readonly #bad = new Set<string>();

  constructor(url: string) {
    this.#given = Map.groupBy(parametersOf(url), ({ name }) => name);
  }

  /** True when the parameter was given, well or badly. */
  has(name: string): boolean {
    return this.#given.has(name);
  }

  text(name: string): string | undefined {
    this.#known.add(name);
    const [first, second] = this.#given.get(name) ?? [];
    if (first === undefined || this.#bad.has(name)) return undefined;
    if (first.value === undefined) return this.refuse(name, "must be percent-encoded UTF-8");
    return second === undefined ? first.value : this.refuse(name, "must be given once");
  }

  /** The exact name of a customer or content. */
  name(name: string): string | undefined {
    const text = this.text(name);
    if (text === undefined || isText(text)) return text;
    return this.refuse(
      name,
      `must be 1 to ${textBytesMax} bytes of UTF-8 without control characters`,
    );
  }

  integer(name: string, min: number, max: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    return this.refuse(name, `must be an integer from ${min} to ${max}`);
  }

  oneOf<Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const choice = choices.find((candidate) => candidate === text);
    return choice ?? this.refuse(name, `must be one of ${choices.join(", ")}`);
  }

  /** Epoch ms of a time that is written in ISO 8601 or as epoch ms. */
  time(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    return (
      parseTime(text) ??
      this.refuse(name, "must be ISO 8601 like 2026-01-31T10:05:00Z, or milliseconds since 1970")
    );
  }

  /** Milliseconds of a duration that is a multiple of `unitMs`. */
  multiple(name: string, unitMs: number, maxMs: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = parseDuration(text) ?? 0;
    if (value > 0 && value <= maxMs && value % unitMs === 0) return value;
    const unit = formatDuration(unitMs);
    return this.refuse(
      name,
      `must be a duration like 15m or 1h: a multiple of ${unit}, at most ${formatDuration(maxMs)}`,
    );
  }

  /** Notes that a parameter is bad. The detail must not repeat its value. */
  refuse(name: string, detail: string): undefined {
    this.#bad.add(name);
    this.#problems.push({ pointer: parameterPointer(name), detail });
  }

  /** @throws Problem that lists every bad parameter, and every one that was not asked for. */
  finish(): void {
    const known = [...this.#known];
    const choices = known.length === 0 ? "there are none here" : `known are ${known.join(", ")}`;
    for (const name of this.#given.keys()) {
      if (!this.#known.has(name)) this.refuse(name, `is unknown; ${choices}`);
    }
    if (this.#problems.length === 0) return;
    throw new Problem("invalid-query", "The query parameters listed are not valid.", {
      errors: this.#problems.slice(0, problemsMax),
    });
  }
}

const unnamedDecider = "admin API";

/**
 * Who decides: the admin token names nobody, so commands may say it in the query parameter `by`,
 * which must be the only one.
 */
export function readDecider(url: string): string {
  const reader = new QueryReader(url);
  const by = reader.name("by");
  reader.finish();
  return by ?? unnamedDecider;
}

/**
 * The last `count` segments of a path, decoded once. Taken from the raw URL, because the router
 * lets malformed encoding through.
 * @throws Problem when one of them is no percent-encoded UTF-8, or no possible name.
 */
export function pathNames(url: string, count: number): string[] {
  return new URL(url).pathname
    .split("/")
    .slice(-count)
    .map((segment) => {
      const name = decodePathSegment(segment);
      const problem = name === undefined ? "is not percent-encoded UTF-8" : textProblem(name);
      if (name !== undefined && problem === undefined) return name;
      throw new Problem("invalid-request", `A name in the path ${problem}.`);
    });
}

function parametersOf(url: string): Parameter[] {
  const start = url.indexOf("?");
  const pairs = start === -1 ? [] : url.slice(start + 1).split("&");
  return pairs
    .filter((pair) => pair !== "")
    .map((pair) => {
      const equals = pair.indexOf("=");
      const rawName = equals === -1 ? pair : pair.slice(0, equals);
      const rawValue = equals === -1 ? "" : pair.slice(equals + 1);
      return { name: decodeComponent(rawName) ?? rawName, value: decodeComponent(rawValue) };
    });
}

/** What `errors[].pointer` says of a query parameter. */
function parameterPointer(name: string): string {
  return `?${encodeURIComponent(name.slice(0, unknownNameCharsMax).toWellFormed())}`;
}

/** In a query, unlike in a path, a plus sign is a space. */
function decodeComponent(text: string): string | undefined {
  return decodePathSegment(text.replaceAll("+", " "));
}

function decodePathSegment(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
