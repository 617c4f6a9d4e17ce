/** Ways to Postgres and NATS for verbs that read more than the admin API should answer. */
import { NatsError } from "nats";
import { type Config, readConfig } from "../config.ts";
import { errorCode } from "../errorCode.ts";
import { errorMessage, stderrLog } from "../log.ts";
import { isTransient } from "../nats/apiError.ts";
import { connectNats } from "../nats/connection.ts";
import { createPast } from "../past.ts";
import type { Past } from "../replay/sources.ts";
import type { Database } from "../store/database.ts";
import { openDatabase } from "../store/open.ts";
import { newestSessionMemory } from "../store/sessionMemories.ts";
import { fixedSettings } from "../store/settings.ts";
import { CliFailure } from "./failure.ts";
import { databaseUrlOf, natsUrlOf } from "./servers.ts";
import type { Environment } from "./settings.ts";

interface Direct {
  readonly past: Past;
  readonly database: Database;
}

/** What is set here, or else what the worker that started last has noted. */
async function currentSessionMemory(
  database: Database,
  env: Environment,
  { sessionMemoryMs }: Config,
): Promise<number> {
  if ((env.SESSION_MEMORY ?? "").trim() !== "") return sessionMemoryMs;
  return (await newestSessionMemory(database)) ?? sessionMemoryMs;
}

const waitMs = 5_000;
const deadlineMs = 60_000;

/** Connects to the database of a configuration, which runs already. */
export async function withDatabase<Result>(
  config: Config,
  use: (database: Database) => Promise<Result>,
): Promise<Result> {
  const database = await openDatabase(
    {
      url: databaseUrlOf(config),
      applicationName: "payload-stats cli",
      connectionsMax: 2,
      deadlineMs,
      log: stderrLog("error"),
    },
    waitMs,
  );
  try {
    return await use(database);
  } catch (error) {
    throw explained(error);
  } finally {
    await database.close();
  }
}

/** Of the system, of the driver, and of a Postgres that ends or has become a standby. */
const lostCodes =
  /^(CONNECTION_|CONNECT_TIMEOUT|ECONN|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|EPIPE|08|57P0|25006)/;

function explained(error: unknown): unknown {
  const isOfNats = error instanceof NatsError;
  const isLost = isOfNats ? isTransient(error) : lostCodes.test(errorCode(error) ?? "");
  if (!isLost) return error;
  const server = isOfNats ? "NATS" : "Postgres";
  return new CliFailure(
    `${server} went away (${errorMessage(error)}): start this again when it is back`,
  );
}

/**
 * Connects as the service with the same environment would, to servers that run already, and reads
 * there the length of windows, the number of partitions and the memory of tokens.
 */
export async function withPast<Result>(
  env: Environment,
  use: (direct: Direct) => Promise<Result>,
): Promise<Result> {
  const config = readConfig(env);
  const log = stderrLog("error");
  return await withDatabase(config, async (database) => {
    const settings = await fixedSettings(database);
    if (settings === undefined) throw new CliFailure("nothing was ever started on this database");
    const sessionMemoryMs = await currentSessionMemory(database, env, config);
    const link = await connectNats({
      url: natsUrlOf(config),
      name: "payload-stats cli",
      log,
      connectTimeoutMs: waitMs,
    });
    try {
      const past = createPast(database, link, log, { ...settings, sessionMemoryMs });
      return await use({ past, database });
    } finally {
      await link.close();
    }
  });
}
