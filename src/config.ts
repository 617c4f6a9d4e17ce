/**
 * The configuration: environment variables in, one validated and frozen `Config` out.
 * For the service this file is the only reader of the environment. Names, defaults and bounds are
 * the contract of docs/OPERATIONS.md.
 */
import { isIPv4 } from "node:net";
import { availableParallelism } from "node:os";
import { formatDuration, parseDuration } from "./domain/duration.ts";
import { dayMs, isWindowLength } from "./domain/windows.ts";

const roles = ["ingest", "worker", "projector", "admin"] as const;
type Role = (typeof roles)[number];
export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

export interface Config {
  readonly port: number;
  readonly host: string;
  readonly adminPort: number;
  readonly adminHost: string;
  readonly adminToken: string | undefined;
  /** Undefined: an embedded Postgres is started under `dataDir`. */
  readonly databaseUrl: string | undefined;
  /** Undefined: an embedded nats-server is started under `dataDir`. */
  readonly natsUrl: string | undefined;
  readonly embeddedPgPort: number;
  readonly embeddedNatsPort: number;
  readonly dataDir: string;
  readonly roles: ReadonlySet<Role>;
  readonly windowMs: number;
  readonly partitions: number;
  readonly streamReplicas: number;
  readonly sessionMemoryMs: number;
  readonly rawRetentionMs: number;
  readonly leaseMs: number;
  /** Threads that serve `port`. */
  readonly httpThreads: number;
  readonly logLevel: LogLevel;
}

const secondMs = 1_000;
const yearMs = 365 * dayMs;

/** Every problem found in the environment, so that they can all be mended at once. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`bad configuration:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
  }
}

/** Each has connections of its own to Postgres, of which the embedded one takes 100. */
const httpThreadsMax = 16;
/** Each has messages of its own, which are smaller the more threads there are (decision 0020). */
const httpThreadsByDefault = 4;

/**
 * Reads and validates the environment.
 * @param cores that this process may use.
 * @throws ConfigError that lists every problem.
 */
export function readConfig(
  env: Readonly<Record<string, string | undefined>>,
  // Only Linux spreads connections over the listeners of a port.
  cores = process.platform === "linux" ? availableParallelism() : 1,
): Config {
  const reader = new Reader(env);
  const windowMs = reader.duration("WINDOW", "5m", secondMs, dayMs);
  const config: Config = {
    port: reader.integer("PORT", 8080, 0, 65_535),
    host: reader.text("HOST", "0.0.0.0"),
    adminPort: reader.integer("ADMIN_PORT", 8081, 0, 65_535),
    adminHost: reader.text("ADMIN_HOST", "127.0.0.1"),
    adminToken: reader.secret("ADMIN_TOKEN"),
    databaseUrl: reader.url("DATABASE_URL", ["postgres:", "postgresql:"]),
    natsUrl: reader.natsServers("NATS_URL"),
    embeddedPgPort: reader.integer("EMBEDDED_PG_PORT", 54_320, 1, 65_535),
    embeddedNatsPort: reader.integer("EMBEDDED_NATS_PORT", 42_220, 1, 65_535),
    dataDir: reader.text("DATA_DIR", ".data"),
    roles: reader.roles("ROLES"),
    windowMs,
    partitions: reader.integer("PARTITIONS", 16, 1, 1_024),
    streamReplicas: Number(reader.oneOf("STREAM_REPLICAS", ["1", "3", "5"], "1")),
    sessionMemoryMs: reader.duration(
      "SESSION_MEMORY",
      formatDuration(Math.max(dayMs, 2 * windowMs)),
      2 * secondMs,
      yearMs,
    ),
    rawRetentionMs: reader.duration("RAW_RETENTION", "24h", 0, yearMs),
    leaseMs: reader.duration("LEASE", "5s", secondMs, 10 * 60 * secondMs),
    httpThreads: reader.integer(
      "HTTP_THREADS",
      Math.min(cores, httpThreadsByDefault),
      1,
      httpThreadsMax,
    ),
    logLevel: reader.oneOf("LOG_LEVEL", logLevels, "info"),
  };
  crossFieldProblems(config, reader.problems);
  if (reader.problems.length > 0) throw new ConfigError(reader.problems);
  return Object.freeze(config);
}

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}

function crossFieldProblems(config: Config, problems: string[]): void {
  if (!isWindowLength(config.windowMs)) {
    problems.push(
      `WINDOW: ${formatDuration(config.windowMs)} does not divide a day; ` +
        "use for example 1m, 5m, 1h",
    );
  }
  if (config.sessionMemoryMs < 2 * config.windowMs) {
    problems.push(
      `SESSION_MEMORY: must be at least two windows (${formatDuration(2 * config.windowMs)})`,
    );
  }
  if (!isLoopback(config.adminHost) && config.adminToken === undefined) {
    problems.push("ADMIN_TOKEN: must be set when ADMIN_HOST is not a loopback address");
  }
  const embeddedPorts = [
    config.databaseUrl === undefined ? config.embeddedPgPort : undefined,
    config.natsUrl === undefined ? config.embeddedNatsPort : undefined,
  ].filter((port) => port !== undefined);
  const used = [config.port, config.adminPort].filter((port) => port !== 0).concat(embeddedPorts);
  if (new Set(used).size !== used.length) {
    problems.push("PORT, ADMIN_PORT, EMBEDDED_PG_PORT, EMBEDDED_NATS_PORT: must all differ");
  }
}

/** Reads one variable at a time and collects what is wrong with them. */
class Reader {
  readonly problems: string[] = [];

  constructor(private readonly env: Readonly<Record<string, string | undefined>>) {}

  /** An empty variable counts as not set, as in most shells' `VAR= command`. */
  optional(name: string): string | undefined {
    const value = this.env[name]?.trim();
    return value === "" ? undefined : value;
  }

  /** What fits into an Authorization header. The value is never repeated in the message. */
  secret(name: string): string | undefined {
    const value = this.optional(name);
    if (value !== undefined && !fitsHeader(value)) {
      this.problems.push(`${name}: must be printable ASCII without spaces`);
    }
    return value;
  }

  text(name: string, fallback: string): string {
    return this.optional(name) ?? fallback;
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    const text = this.optional(name);
    if (text === undefined) return fallback;
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    this.problems.push(`${name}: must be an integer from ${min} to ${max}, not "${text}"`);
    return fallback;
  }

  duration(name: string, fallback: string, minMs: number, maxMs: number): number {
    const text = this.text(name, fallback);
    const value = parseDuration(text);
    if (value !== undefined && value >= minMs && value <= maxMs) return value;
    this.problems.push(
      `${name}: must be a duration like 90s, 5m or 24h from ${formatDuration(minMs)} to ` +
        `${formatDuration(maxMs)}, not "${text}"`,
    );
    return parseDuration(fallback) ?? minMs;
  }

  oneOf<Value extends string>(name: string, allowed: readonly Value[], fallback: Value): Value {
    const text = this.text(name, fallback);
    const value = allowed.find((candidate) => candidate === text);
    if (value !== undefined) return value;
    this.problems.push(`${name}: must be one of ${allowed.join(", ")}, not "${text}"`);
    return fallback;
  }

  url(name: string, protocols: readonly string[]): string | undefined {
    const text = this.optional(name);
    if (text === undefined) return undefined;
    // The value may hold a password: it is never repeated in the message.
    const url = URL.parse(text);
    if (url === null || !protocols.some((protocol) => url.href.startsWith(`${protocol}//`))) {
      this.problems.push(`${name}: must be a good URL that starts with ${protocols[0]}//`);
    } else {
      this.#requireCredentials(name, [url]);
    }
    return text;
  }

  /** One or several NATS servers, separated by commas; the scheme may be left out. */
  natsServers(name: string): string | undefined {
    const text = this.optional(name);
    if (text === undefined) return undefined;
    const urls = text.split(",").flatMap((part) => {
      const server = part.trim();
      const url = URL.parse(server.includes("://") ? server : `nats://${server}`);
      return url !== null && url.hostname !== "" && /^(nats|tls):$/.test(url.protocol) ? [url] : [];
    });
    if (urls.length < text.split(",").length) {
      this.problems.push(`${name}: must be nats://host:port, several separated by commas`);
    } else {
      this.#requireCredentials(name, urls);
    }
    return text;
  }

  /** Drivers decode user names and passwords, and fail where that cannot be done. */
  #requireCredentials(name: string, urls: readonly URL[]): void {
    const isGood = urls.every(
      ({ username, password }) => canDecode(username) && canDecode(password),
    );
    if (isGood) return;
    this.problems.push(`${name}: write % in a user name or a password as %25`);
  }

  roles(name: string): ReadonlySet<Role> {
    const names = this.text(name, roles.join(",")).split(",");
    const known = new Set<Role>();
    for (const part of new Set(names.map((role) => role.trim()))) {
      const role = roles.find((candidate) => candidate === part);
      if (role === undefined) {
        this.problems.push(`${name}: "${part}" is no role; roles are ${roles.join(", ")}`);
      } else {
        known.add(role);
      }
    }
    return known;
  }
}

/** True for what an Authorization header can carry. */
export function fitsHeader(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

function canDecode(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
