/** Finds a nats-server: on PATH, in our cache, or in Debian's package. */
import { access, copyFile, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../log.ts";
import { isAtLeast, versionMin } from "../nats/serverVersion.ts";
import { EmbeddedError } from "./embeddedError.ts";

export interface NatsBinary {
  readonly path: string;
  readonly version: string;
}

const downloadMs = 120_000;

/**
 * Finds a nats-server, downloading it into `binDir` when this machine has none.
 * @throws EmbeddedError that names what the user can do when there is no way to get one.
 */
export async function findNatsServer(binDir: string, log: Log): Promise<NatsBinary> {
  const cached = join(binDir, "nats-server");
  const onPath = Bun.which("nats-server");
  for (const path of onPath === null ? [cached] : [onPath, cached]) {
    const version = versionOf(path);
    if (version === undefined) continue;
    if (isAtLeast(version, versionMin)) return { path, version };
    log.warn(`${path} is too old; ${versionMin.join(".")} or newer is needed`, { version });
  }
  log.info("there is no nats-server on PATH; getting Debian's package", { into: binDir });
  const problem = await downloadFromDebian(cached, binDir);
  const version = problem === undefined ? versionOf(cached) : undefined;
  if (version !== undefined && isAtLeast(version, versionMin)) return { path: cached, version };
  throw new EmbeddedError(
    `no nats-server was found (${problem ?? `the package's version is ${version}`}): ` +
      "install nats-server so that it is on PATH, or run `docker compose up nats`, " +
      "or set NATS_URL to a server of your own",
  );
}

function versionOf(path: string): string | undefined {
  try {
    const answer = Bun.spawnSync([path, "--version"], { stderr: "ignore" }).stdout.toString();
    return /v(\d+\.\d+\.\d+\S*)/.exec(answer)?.[1];
  } catch {
    // There is no such file, or it is for another machine.
    return undefined;
  }
}

/**
 * Debian's package, without root and without touching the system: lists, cache and state are
 * private and go away again. Only the sources and keys of the system are used.
 * @returns what went wrong, if anything did.
 */
async function downloadFromDebian(target: string, binDir: string): Promise<string | undefined> {
  for (const tool of ["apt-get", "dpkg-deb"]) {
    if (Bun.which(tool) === null) return `no ${tool} to get Debian's package with`;
  }
  await mkdir(binDir, { recursive: true });
  const work = await mkdtemp(join(binDir, "download-"));
  try {
    return await unpackPackage(work, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function unpackPackage(work: string, target: string): Promise<string | undefined> {
  for (const directory of ["lists/partial", "archives/partial", "state"]) {
    await mkdir(join(work, directory), { recursive: true });
  }
  await Bun.write(join(work, "state", "status"), "");
  const settings = {
    "Dir::State": join(work, "state"),
    "Dir::State::lists": join(work, "lists"),
    "Dir::State::status": join(work, "state", "status"),
    "Dir::Cache": work,
    "Dir::Cache::archives": join(work, "archives"),
    "Acquire::Languages": "none",
    "Acquire::http::Timeout": "20",
    "Acquire::https::Timeout": "20",
    // As root apt would download as the user _apt, who may not enter our directory.
    "APT::Sandbox::User": "",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const apt = ["apt-get", "-q", ...options];
  // One source of the system that cannot be reached must not stop the others: what counts is
  // whether the package arrives.
  const lists = await run([...apt, "update"], work);
  const download = await run([...apt, "download", "nats-server"], work);
  const archive = (await readdir(work)).find((name) => name.endsWith(".deb"));
  if (archive === undefined) {
    const complaints = [...new Set([lists, download])].filter((text) => text !== "").join("; ");
    return `apt-get: ${complaints || "no package nats-server"}`;
  }
  const unpacked = await run(["dpkg-deb", "-x", archive, "unpacked"], work);
  for (const path of ["usr/sbin/nats-server", "usr/bin/nats-server"]) {
    const found = join(work, "unpacked", path);
    if (
      await access(found).then(
        () => true,
        () => false,
      )
    ) {
      // Copied beside its place first: another process must never see half of it.
      await copyFile(found, `${work}.ready`);
      await rename(`${work}.ready`, target);
      return undefined;
    }
  }
  return unpacked || "no nats-server in Debian's package";
}

/** Runs a command; returns its last complaint, or nothing when it went well. */
async function run(command: string[], cwd: string): Promise<string> {
  const child = Bun.spawn(command, {
    cwd,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    timeout: downloadMs,
  });
  const [errors, code] = await Promise.all([child.stderr.text(), child.exited]);
  return code === 0 ? "" : errors.trim().split("\n").at(-1) || `exit code ${code}`;
}
