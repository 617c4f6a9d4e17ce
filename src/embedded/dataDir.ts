/** The data directory: it can be written, has room, and belongs to one living process. */
import { Database } from "bun:sqlite";
import { mkdir, realpath, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "../errorCode.ts";
import { EmbeddedError } from "./embeddedError.ts";
import { readIfThere } from "./processes.ts";

/**
 * An empty Postgres and its first write-ahead log take about 50 MB; below this nothing can work.
 */
const bytesFreeMin = 128 * 1024 * 1024;

/** A lock whose database the garbage collector found unreachable would be given up. */
const held = new Set<Database>();

export interface DataDirLock {
  /** The directory itself, whatever links lead to it: by its path orphans of it are known. */
  readonly dataDir: string;
  release(): void;
}

/** SQLite, whose lock is used, takes paths of 512 bytes, and the servers' own files lie deeper. */
const pathBytesMax = 400;

/**
 * Makes the directory ready for use by this process alone.
 * @throws EmbeddedError when it cannot be written, is full, too long, or another process uses it.
 */
export async function claimDataDir(dataDir: string): Promise<DataDirLock> {
  try {
    await mkdir(join(dataDir, "log"), { recursive: true });
    const { bavail, bsize } = await statfs(dataDir);
    if (bavail * bsize < bytesFreeMin) {
      const megabytes = Math.floor((bavail * bsize) / 1024 / 1024);
      throw new EmbeddedError(
        `the disk of DATA_DIR ${dataDir} is full: ${megabytes} MB free, ` +
          `${bytesFreeMin / 1024 / 1024} MB needed to start; free some or set DATA_DIR`,
      );
    }
    return await lock(await realpath(dataDir));
  } catch (error) {
    if (error instanceof EmbeddedError) throw error;
    throw unusable(dataDir, error);
  }
}

/** What a failed write below the data directory means to the person who set it. */
function unusable(dataDir: string, error: unknown): EmbeddedError {
  const reasons: Record<string, string> = {
    EACCES: "permission denied",
    EPERM: "permission denied",
    EROFS: "the file system is read-only",
    ENOSPC: "the disk is full",
    EDQUOT: "the disk quota is used up",
    ENOTDIR: "a part of the path is not a directory",
    EEXIST: `${blockedPath(error) ?? "it"} is not a directory`,
    SQLITE_CANTOPEN: "permission denied",
    SQLITE_READONLY: "permission denied",
  };
  const reason = reasons[errorCode(error) ?? ""] ?? String(error);
  return new EmbeddedError(
    `DATA_DIR ${dataDir} cannot be written: ${reason}; mend it or set DATA_DIR`,
    { cause: error },
  );
}

/** The path that a file system call failed at. */
function blockedPath(error: unknown): string | undefined {
  return error instanceof Error && "path" in error ? String(error.path) : undefined;
}

/**
 * SQLite's exclusive lock on a file is one that the kernel ends with its process, however that
 * dies. So there are no stale locks, and no pid that now belongs to another program is believed.
 */
async function lock(dataDir: string): Promise<DataDirLock> {
  if (Buffer.byteLength(dataDir) > pathBytesMax) {
    throw new EmbeddedError(
      `the path of DATA_DIR ${dataDir} has more than ${pathBytesMax} bytes: set a shorter one`,
    );
  }
  const holder = join(dataDir, "lock.pid");
  const database = new Database(join(dataDir, "lock"), { create: true, readwrite: true });
  try {
    database.run("PRAGMA journal_mode = MEMORY");
    database.run("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (!errorCode(error)?.startsWith("SQLITE_BUSY")) throw error;
    const pid = readIfThere(holder)?.trim() ?? "unknown";
    throw new EmbeddedError(
      `DATA_DIR ${dataDir} is in use by the process with pid ${pid}: ` +
        "stop that one, or give this one a DATA_DIR of its own",
    );
  }
  held.add(database);
  await writeFile(holder, `${process.pid}\n`);
  return {
    dataDir,
    release: () => {
      held.delete(database);
      database.close();
    },
  };
}
