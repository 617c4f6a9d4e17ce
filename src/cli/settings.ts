/**
 * What the command line takes from the environment. Verbs that go to Postgres or NATS themselves
 * read the service's own settings out of `env`.
 */
import { hostname, userInfo } from "node:os";

export interface CliSettings {
  readonly adminUrl: string;
  readonly adminToken: string | undefined;
  /** Who decides, for the record of what is decided. */
  readonly decider: string;
  /** The environment itself, for the verbs that need the service's configuration. */
  readonly env: Environment;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** The same names as the service's configuration, so that one environment does for both. */
export function readCliSettings(env: Environment): CliSettings {
  const value = (name: string) => env[name]?.trim() || undefined;
  const host = value("ADMIN_HOST") ?? "127.0.0.1";
  return {
    adminUrl: `http://${authorityOf(reachableHost(host))}:${value("ADMIN_PORT") ?? "8081"}`,
    adminToken: value("ADMIN_TOKEN"),
    decider: `${value("USER") ?? value("LOGNAME") ?? userName()}@${hostname()}`,
    env,
  };
}

/** Some containers run as a user without a name, and the runtime does not know all names. */
function userName(): string {
  const uid = `uid ${process.getuid?.()}`;
  try {
    const { username } = userInfo();
    return username === "unknown" ? uid : username;
  } catch {
    return uid;
  }
}

/** Where a listener on this host is reached from its own machine. */
export function reachableHost(host: string): string {
  return host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
}

/** A host as a URL has it. */
export function authorityOf(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
