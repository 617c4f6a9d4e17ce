/** Postgres refuses to run as root. This finds a way to run it as somebody else. */
import { stat } from "node:fs/promises";
import { EmbeddedError } from "./embeddedError.ts";

/** Who runs Postgres, and the words to put before its command. */
export interface Runner {
  readonly prefix: readonly string[];
  /** Undefined: it runs as we do. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

/**
 * Finds how to run `program` (any of Postgres's) on data in `dataDir`. As root it is the owner of
 * `existing` when that is there, else the user `postgres`, else `nobody`; no user is created.
 * @throws EmbeddedError when there is no way.
 */
export async function findRunner(
  program: string,
  dataDir: string,
  existing: string,
): Promise<Runner> {
  if (process.getuid?.() !== 0) return { prefix: [], owner: undefined };
  const owner = (await ownerOf(existing)) ?? userNamed("postgres") ?? userNamed("nobody");
  const setpriv = Bun.which("setpriv");
  if (owner === undefined || setpriv === null) {
    throw new EmbeddedError(
      "Postgres refuses to run as root, and there is no setpriv or no user postgres or nobody " +
        "to run it: start as a plain user, or set DATABASE_URL",
    );
  }
  const identity = [`--reuid=${owner.uid}`, `--regid=${owner.gid}`, "--clear-groups"];
  const candidates = [
    [setpriv, ...identity],
    [setpriv, ...identity, ...passThrough],
  ];
  for (const prefix of candidates) {
    if (canRun([...prefix, "--"], program, dataDir)) return { prefix: [...prefix, "--"], owner };
  }
  throw new EmbeddedError(
    `Postgres refuses to run as root, and uid ${owner.uid} cannot reach ${program} or ` +
      `${dataDir}: move both below directories that everyone may enter, start as a plain user, ` +
      "or set DATABASE_URL",
  );
}

/**
 * The checkout or the data may lie below a directory that only root can enter, like /root. These
 * let the process pass permissions, which as root we could anyway; without the secure bit
 * access(2), with which Postgres looks for its own files, would not see the capability.
 */
const passThrough = [
  "--inh-caps=+dac_override",
  "--ambient-caps=+dac_override",
  "--securebits=+no_setuid_fixup",
];

function canRun(prefix: readonly string[], program: string, dataDir: string): boolean {
  const script = '[ -x "$2" ] && cd "$1" && exec "$2" --version';
  const command = [...prefix, "/bin/sh", "-c", script, "sh", dataDir, program];
  const probe = Bun.spawnSync(command, { cwd: "/", stdout: "ignore", stderr: "ignore" });
  return probe.exitCode === 0;
}

async function ownerOf(path: string): Promise<Runner["owner"]> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined || found.uid === 0 ? undefined : { uid: found.uid, gid: found.gid };
}

function userNamed(name: string): Runner["owner"] {
  const [uid, gid] = ["-u", "-g"].map((flag) => {
    const id = Bun.spawnSync(["id", flag, name], { stderr: "ignore" });
    return id.exitCode === 0 ? Number(id.stdout.toString()) : undefined;
  });
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}
