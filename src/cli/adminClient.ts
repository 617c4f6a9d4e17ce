/** Asks the admin API. */
import { isObject, type JsonObject } from "../domain/json.ts";
import { isRefusedConnection } from "../errorCode.ts";
import { noRoute } from "../http/problem.ts";
import { errorMessage } from "../log.ts";
import { CliFailure, NoAnswer, NothingListens } from "./failure.ts";

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** Recounts of a long ledger take their time. */
const timeoutMs = 10 * 60_000;
/** More than readiness waits for what it asks. */
const probeMs = 15_000;

export class AdminClient {
  constructor(
    readonly url: string,
    private readonly token: string | undefined,
  ) {}

  /** @throws CliFailure that says what the server said; NoAnswer where it may do so later. */
  get(path: string, query: Query = {}): Promise<JsonObject> {
    return this.#ask("GET", path, query);
  }

  post(path: string, query: Query = {}): Promise<JsonObject> {
    return this.#ask("POST", path, query);
  }

  async #ask(method: string, path: string, query: Query): Promise<JsonObject> {
    const { response, body } = await this.#fetch(method, path, query, timeoutMs);
    if (response.ok && isObject(body)) return body;
    const isElsewhere = isObject(body) && body.detail === noRoute;
    const problem = isElsewhere
      ? `${this.url} is not the admin listener, or of another version: it has no ${path}`
      : this.#problemOf(response.status, body);
    if (response.status >= 500) throw new NoAnswer(problem);
    throw new CliFailure(problem, isUsage(response.status) ? 2 : 1);
  }

  /** An answer whatever its status, for checks that are red by status. */
  async probe(
    path: string,
    waitMs = probeMs,
  ): Promise<{ readonly status: number; readonly body: JsonObject }> {
    const { response, body } = await this.#fetch("GET", path, {}, waitMs);
    return { status: response.status, body: isObject(body) ? body : {} };
  }

  async #fetch(method: string, path: string, query: Query, waitMs: number) {
    const given = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) given.set(name, String(value));
    }
    const search = given.size === 0 ? "" : `?${given}`;
    const headers = this.token === undefined ? {} : { authorization: `Bearer ${this.token}` };
    try {
      const signal = AbortSignal.timeout(waitMs);
      const response = await fetch(this.url + path + search, { method, headers, signal });
      const body: unknown = await response.json().catch(() => undefined);
      return { response, body };
    } catch (error) {
      const Failure = isRefusedConnection(error) ? NothingListens : NoAnswer;
      throw new Failure(
        `cannot ask ${this.url}: ${errorMessage(error)}. Is the role admin running there? ` +
          "Another address is given with --admin",
      );
    }
  }

  #problemOf(status: number, body: unknown): string {
    if (status === 401) return tokenProblem;
    if (!isObject(body) || typeof body.detail !== "string") {
      return `${this.url} answered ${status}, and not as the admin listener does`;
    }
    const errors = Array.isArray(body.errors) ? body.errors.filter(isObject) : [];
    const details = errors.map(({ pointer, detail }) => `\n  ${String(pointer)} ${String(detail)}`);
    return `${body.detail}${details.join("")}`;
  }
}

/** The server could not make sense of what was asked. */
function isUsage(status: number): boolean {
  return status === 400 || status === 422;
}

export const tokenProblem = "the admin token is missing or wrong: set ADMIN_TOKEN, or use --token";
