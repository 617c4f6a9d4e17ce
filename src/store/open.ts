/** The first contact with Postgres at start: wait until it answers, and check what answers. */
import { errorCode } from "../errorCode.ts";
import { errorMessage } from "../log.ts";
import { Database, type DatabaseOptions } from "./database.ts";

/** The oldest major version of Postgres that a start takes. */
export const oldestPostgres = 15;
const attemptMs = 5_000;
const pauseMs = 200;

/** Wrong password, unknown role, no right to connect: waiting does not help. */
const hopelessCodes = new Set(["28P01", "28000", "42501"]);

/**
 * Opens a pool and waits for Postgres for at most `waitMs`, or until the signal.
 * @throws Error that says where Postgres was looked for and what was the matter.
 */
export async function openDatabase(
  options: DatabaseOptions,
  waitMs: number,
  signal?: AbortSignal,
): Promise<Database> {
  const database = new Database(options);
  try {
    await waitForServer(database, options.url, waitMs, signal);
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function waitForServer(
  database: Database,
  url: string,
  waitMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const startedAt = performance.now();
  for (;;) {
    try {
      const { version, encoding } = await serverFacts(database, Math.min(attemptMs, waitMs));
      const major = Math.floor(version / 10_000);
      if (major < oldestPostgres) {
        throw new Unsuitable(
          `Postgres ${major} is too old: version ${oldestPostgres} or newer is needed`,
        );
      }
      if (encoding !== "UTF8") {
        throw new Unsuitable(
          `the encoding of the database is ${encoding}, which cannot hold every name: make one ` +
            "with encoding UTF8",
        );
      }
      return;
    } catch (error) {
      if (error instanceof Unsuitable) throw error;
      const waitedMs = performance.now() - startedAt;
      const isOver = waitedMs + pauseMs > waitMs || signal?.aborted === true;
      if (isHopeless(error) || isOver) {
        const reason = errorMessage(error) || "no answer";
        throw new Error(
          `Postgres at ${postgresAddress(url)} cannot be used (tried for ` +
            `${Math.ceil(waitedMs)} ms): ` +
            `${reason}. Check DATABASE_URL, that the server runs, and that it has the database`,
          { cause: error },
        );
      }
    }
    await Bun.sleep(pauseMs);
  }
}

/** What answers can never be used. */
class Unsuitable extends Error {}

/** The version as a number, 150004 for 15.4, and the encoding of the database. */
async function serverFacts(database: Database, deadlineMs: number) {
  const [row] = await database.run(
    (sql) => sql<{ version: number; encoding: string }[]>`
      select current_setting('server_version_num')::int as version,
        current_setting('server_encoding') as encoding
    `,
    deadlineMs,
  );
  return row ?? { version: 0, encoding: "" };
}

function isHopeless(error: unknown): boolean {
  return hopelessCodes.has(errorCode(error) ?? "");
}

/**
 * A `DATABASE_URL` that may be printed: without its password, and its query, which may hold one.
 */
export function postgresAddress(url: string): string {
  const parsed = new URL(url);
  parsed.password = "";
  parsed.search = "";
  return parsed.toString();
}
