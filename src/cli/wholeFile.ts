/** A file that is there whole or not at all. */
import { createWriteStream, existsSync, rmSync, statSync } from "node:fs";
import { link, open, readlink, realpath, rename } from "node:fs/promises";
import { constants } from "node:os";
import { dirname, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { errorCode } from "../errorCode.ts";
import { CliFailure } from "./failure.ts";

/**
 * @throws CliFailure when there is such a file and nobody said to overwrite it, or what is no file:
 * the new one would take the place of a pipe or a device, which nobody can mean.
 */
export function checkAbsent(file: string, force: boolean): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) throw new CliFailure(`${file} is a directory`, 2);
  if (found?.isFile() === false) {
    throw new CliFailure(`${file} is no file. Write to stdout, with -, and redirect that.`, 2);
  }
  if (!force && existsSync(file)) {
    throw new CliFailure(`${file} is there already. Add --force to overwrite it.`, 2);
  }
}

/** Not SIGHUP, which `nohup` has ignored. */
const interrupts = ["SIGINT", "SIGTERM"] as const;

/**
 * Writes under another name and gives the file its own when all of it is on disk. What came under
 * that name meanwhile is left alone unless `force` is given.
 */
export async function writeWhole(
  file: string,
  bytes: NodeJS.ReadableStream,
  force: boolean,
): Promise<void> {
  checkAbsent(file, force);
  // A link stays, and the file that it names is overwritten.
  const target = await targetOf(file);
  // Of this process, so that two exports to one file do not mix.
  const unfinished = `${target}.${process.pid}.unfinished`;
  const removed = () => rmSync(unfinished, { force: true });
  const interrupted = (signal: NodeJS.Signals) => {
    removed();
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of interrupts) process.once(signal, interrupted);
  try {
    await pipeline(bytes, createWriteStream(unfinished));
    await sync(unfinished);
    if (force) await rename(unfinished, target);
    else await nameNew(unfinished, target);
  } finally {
    for (const signal of interrupts) process.off(signal, interrupted);
    removed();
  }
}

/** The file itself, or the one that a link names, whether that is there or not. */
async function targetOf(file: string): Promise<string> {
  if (existsSync(file)) return await realpath(file);
  const named = await readlink(file).catch(() => undefined);
  // Where the link is, and not where the path to it seems to be.
  if (named === undefined) return file;
  return await targetOf(resolve(await realpath(dirname(file)), named));
}

async function sync(file: string): Promise<void> {
  const handle = await open(file, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Unlike a rename, a link fails when the name is taken. Not every file system has links. */
async function nameNew(unfinished: string, file: string): Promise<void> {
  try {
    await link(unfinished, file);
  } catch (error) {
    checkAbsent(file, false);
    if (!isUnsupported(error)) throw error;
    await rename(unfinished, file);
  }
}

function isUnsupported(error: unknown): boolean {
  return ["EPERM", "ENOTSUP", "EOPNOTSUPP"].includes(errorCode(error) ?? "");
}
