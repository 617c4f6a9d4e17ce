/** The checks of `payload-stats doctor`. Each asks one thing and never throws. */
import { constants, existsSync } from "node:fs";
import { access, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type Config, ConfigError, readConfig } from "../../config.ts";
import { isObject } from "../../domain/json.ts";
import { loopback } from "../../embedded/ports.ts";
import { claimPort } from "../../http/tcpPort.ts";
import { inTime } from "../../inTime.ts";
import { errorMessage, silentLog } from "../../log.ts";
import { inspectNats, type NatsFacts } from "../../nats/inspect.ts";
import { canFlushAlways, isAtLeast } from "../../nats/serverVersion.ts";
import { lowerCopiesCommand } from "../../nats/topology.ts";
import { inspectPostgres, type PostgresFacts } from "../../store/inspect.ts";
import { checkVersion } from "../../store/migrate.ts";
import { oldestPostgres } from "../../store/open.ts";
import { checkEqual } from "../../store/settings.ts";
import { type AdminClient, tokenProblem } from "../adminClient.ts";
import { CliFailure, NothingListens } from "../failure.ts";
import { databaseUrlOf, natsUrlOf } from "../servers.ts";
import { authorityOf, type Environment, reachableHost } from "../settings.ts";

export interface Finding {
  readonly check: string;
  readonly result: "ok" | "warning" | "bad";
  readonly detail: string;
}

const newestTested = 18;
const clockSkewMsMax = 500;
/** An address of nobody may leave a connection without an answer. */
const connectMs = 2_000;
const freeBytesMin = 2 * 2 ** 30;

/** The configuration, or what is wrong with it. */
export function checkConfig(env: Environment): { config?: Config; findings: Finding[] } {
  try {
    const config = readConfig(env);
    const detail = `${config.partitions} partitions, windows of ${config.windowMs / 1_000} s`;
    return { config, findings: [finding("config", "ok", detail)] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { findings: error.problems.map((problem) => finding("config", "bad", problem)) };
  }
}

/**
 * A port is good when a start could have it, or when it is ours already.
 * @param route one that only the listener has which belongs there.
 */
export async function checkPort(
  name: string,
  host: string,
  port: number,
  route: string,
): Promise<Finding> {
  const reachable = reachableHost(host);
  if (!(await isOpen(reachable, port))) {
    const settings = { host: name.replace("PORT", "HOST"), port: name };
    const claim = () => claimPort({ host, port, settings }).release();
    return findingOf(name, `port ${port} is free`, claim);
  }
  const ask = (path: string) =>
    fetch(`http://${authorityOf(reachable)}:${port}${path}`, {
      signal: AbortSignal.timeout(2_000),
    });
  const isOurs = await ask("/livez").then(
    async (response) => response.ok && (await response.text()).includes('"ok"'),
    () => false,
  );
  if (!isOurs) return finding(name, "bad", `port ${port} is taken by another program`);
  const isThere = await ask(route).then(
    ({ status }) => status !== 404,
    () => true,
  );
  if (isThere) return finding(name, "ok", `port ${port} is served by payload-stats`);
  return finding(name, "bad", `port ${port} is served by another listener of payload-stats`);
}

/** What the running service says of itself. */
export async function checkService(client: AdminClient, waitMs?: number): Promise<Finding[]> {
  try {
    const { status, body } = await client.probe("/readyz", waitMs);
    const checks = Array.isArray(body.checks) ? body.checks.filter(isObject) : [];
    if (status === 401) return [finding("service", "bad", tokenProblem)];
    if (checks.length === 0) {
      return [finding("service", "bad", `${client.url}/readyz answers ${status}`)];
    }
    return checks.map(({ name, ok, detail }) =>
      finding(`service: ${String(name)}`, ok === true ? "ok" : "bad", String(detail)),
    );
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    if (!(error instanceof NothingListens)) return [finding("service", "bad", error.message)];
    return [finding("service", "warning", `nothing runs at ${client.url}`)];
  }
}

/** The database, with how many partitions were fixed in it. */
export async function checkPostgres(
  config: Config,
): Promise<{ readonly findings: readonly Finding[]; readonly partitions?: number | undefined }> {
  if (config.databaseUrl === undefined && !(await isOpen(loopback, config.embeddedPgPort))) {
    return { findings: [finding("postgres", "ok", "embedded: is started with the service")] };
  }
  try {
    const facts = await inspectPostgres(databaseUrlOf(config), silentLog);
    const findings = [...describePostgres(facts), ...settingsFindings(config, facts)];
    return { findings, partitions: facts.settings?.partitions };
  } catch (error) {
    return { findings: [finding("postgres", "bad", errorMessage(error))] };
  }
}

function settingsFindings(config: Config, { settings }: PostgresFacts): Finding[] {
  if (settings === undefined) return [];
  const good = "WINDOW and PARTITIONS are those of the database";
  return [findingOf("settings", good, () => checkEqual(config, settings))];
}

function tablesFindings({ schemaVersion }: PostgresFacts): Finding[] {
  if (schemaVersion === undefined) return [finding("tables", "ok", "none yet")];
  return [findingOf("tables", `version ${schemaVersion}`, () => checkVersion(schemaVersion))];
}

/** Good unless the check throws, and then what it says. */
function findingOf(name: string, good: string, check: () => void): Finding {
  try {
    check();
    return finding(name, "ok", good);
  } catch (error) {
    return finding(name, "bad", errorMessage(error));
  }
}

function describePostgres(facts: PostgresFacts): Finding[] {
  const { version, major, encoding, unsafe } = facts;
  return [
    versionFinding(version, major),
    ...tablesFindings(facts),
    encoding === "UTF8"
      ? finding("encoding of postgres", "ok", "UTF8")
      : finding("encoding of postgres", "bad", `${encoding} cannot hold every name: use UTF8`),
    clockFinding("clock of postgres", facts.clockMs),
    unsafe.length === 0
      ? finding("durability of postgres", "ok", "commits are on disk before they are answered")
      : finding("durability of postgres", "bad", `a crash can lose commits: ${unsafe.join(", ")}`),
  ];
}

/** An older one is refused by a start; a newer one is not. */
function versionFinding(version: string, major: number): Finding {
  const isTooOld = major < oldestPostgres;
  if (!isTooOld && major <= newestTested) return finding("postgres", "ok", `version ${version}`);
  const tested = `versions ${oldestPostgres} to ${newestTested} are tested`;
  return finding("postgres", isTooOld ? "bad" : "warning", `version ${version}; ${tested}`);
}

/** @param partitions of the database. */
export async function checkNats(
  config: Config,
  partitions = config.partitions,
): Promise<Finding[]> {
  if (config.natsUrl === undefined && !(await isOpen(loopback, config.embeddedNatsPort))) {
    return [finding("nats", "ok", "embedded: is started with the service")];
  }
  try {
    return describeNats(await inspectNats(natsUrlOf(config), partitions, silentLog), {
      ...config,
      partitions,
    });
  } catch (error) {
    return [finding("nats", "bad", errorMessage(error))];
  }
}

function describeNats(facts: NatsFacts, { partitions, streamReplicas }: Config): Finding[] {
  const { version, clockMs } = facts;
  const streams = facts.copies.size;
  const isWhole = streams === partitions || streams === 0;
  const detail = `version ${version}, ${streams} of ${partitions} streams`;
  const findings = [finding("nats", isWhole ? "ok" : "bad", detail)];
  if (clockMs !== undefined) findings.push(clockFinding("clock of nats", clockMs));
  findings.push(...copiesFindings(facts, streamReplicas));
  const copies = streams === 0 ? streamReplicas : Math.min(...facts.copies.values());
  // See nats-server#4771.
  if (facts.boundedByBytes > 0 && !isAtLeast(version, [2, 10, 6])) {
    const detail =
      `${facts.boundedByBytes} streams have max_bytes: at that bound this version may drop their ` +
      "oldest message, read or not; bound max_msgs instead";
    findings.push(finding("bound of streams", "bad", detail));
  }
  const syncs = canFlushAlways(version);
  const flush = syncs
    ? "what a power cut may cost is set by sync_interval of the server; `always` costs nothing"
    : "this version writes to disk within 60 s, and that cannot be changed";
  const survives =
    copies > 1 ? `${copies} copies, survives a server` : "one copy, survives kill -9";
  const isSafe = copies > 1 || syncs;
  const result = isSafe ? "ok" : "warning";
  return [...findings, finding("durability of nats", result, `${survives}; ${flush}`)];
}

/** A start adds copies and takes none away, so these may differ from the setting for good. */
function copiesFindings({ copies, isClustered }: NatsFacts, setting: number): Finding[] {
  const name = "copies of streams";
  const list = (streams: readonly [string, number][]) =>
    streams.map(([stream, count]) => `${stream} (${count})`).join(", ");
  const more = [...copies].filter(([, count]) => count > setting);
  const fewer = [...copies].filter(([, count]) => count < setting);
  const findings: Finding[] = [];
  if (setting > 1 && !isClustered && (copies.size === 0 || fewer.length > 0)) {
    const detail = `STREAM_REPLICAS=${setting} needs a NATS cluster, and this server is in none`;
    return [finding(name, "bad", detail)];
  }
  if (more.length > 0) {
    const command = lowerCopiesCommand(more[0]?.[0] ?? "", setting);
    const detail =
      `more than STREAM_REPLICAS=${setting}: ${list(more)}; correct the setting here, or lower ` +
      `them on purpose: ${command}`;
    findings.push(finding(name, "warning", detail));
  }
  if (fewer.length > 0) {
    const missing = `fewer than STREAM_REPLICAS=${setting}: ${list(fewer)}`;
    const detail = `${missing}; the next start adds them`;
    findings.push(finding(name, "warning", detail));
  }
  return findings;
}

/** Of the data directory, or of where it is made at the first start. */
export async function checkDisk(dataDir: string): Promise<Finding> {
  let place = resolve(dataDir);
  while (!existsSync(place)) place = dirname(place);
  try {
    // The slash at its end makes it fail for what is no directory.
    await access(`${place}/`, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = await statfs(place);
    const free = bavail * bsize;
    const detail = `${(free / 2 ** 30).toFixed(1)} GiB free in ${place}`;
    return finding("disk", free > freeBytesMin ? "ok" : "warning", detail);
  } catch (error) {
    return finding("disk", "bad", `DATA_DIR ${dataDir} cannot be written: ${errorMessage(error)}`);
  }
}

export function finding(check: string, result: Finding["result"], detail: string): Finding {
  return { check, result, detail };
}

function clockFinding(check: string, clockMs: number): Finding {
  const skewMs = Math.round(clockMs - Date.now());
  const result = Math.abs(skewMs) <= clockSkewMsMax ? "ok" : "warning";
  return finding(check, result, `${skewMs} ms from the clock here`);
}

/** True when something listens there. */
async function isOpen(host: string, port: number): Promise<boolean> {
  try {
    const connecting = Bun.connect({ hostname: host, port, socket: { data() {} } });
    void connecting.then((socket) => socket.end()).catch(() => {});
    await inTime(connecting, connectMs);
    return true;
  } catch {
    return false;
  }
}
