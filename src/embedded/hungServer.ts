/**
 * A server that runs and takes connections, and whose storage hangs: when a write fails on a full
 * disk, nats-server 2.9 may lock itself up, and it stays so when there is room again. Only a new
 * start helps. What it has acknowledged is on disk.
 */
import { statfs } from "node:fs/promises";
import type { Clock } from "../actors/clock.ts";
import type { Log } from "../log.ts";
import type { ServerProcess } from "./serverProcess.ts";

interface HungServerOptions {
  /** On the server's disk. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly everyMs?: number;
}

/** So often in a row it has not answered when it is started again. */
const missesMax = 4;
/** With less room it would hang again. */
const roomBytesMin = 32 * 1_048_576;

/**
 * Starts a server again that has come up and answers nothing.
 * @param answers whether it does, soon; undefined where it cannot be asked.
 * @returns how to stop that.
 */
export function restartWhenHung(
  server: Pick<ServerProcess, "isUp" | "kill">,
  answers: () => Promise<boolean | undefined>,
  options: HungServerOptions,
): () => Promise<void> {
  const { directory, clock, log, everyMs = 5_000 } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const watch = async () => {
    let misses = 0;
    while (!signal.aborted) {
      await clock.sleep(everyMs, signal);
      const answered = await answers();
      if (signal.aborted) return;
      // A new process has not missed anything.
      if (answered === true || !server.isUp) misses = 0;
      else if (answered === false) misses++;
      else continue;
      if (misses < missesMax || !(await hasRoom(directory))) continue;
      log.error("the embedded nats-server runs and does not answer; it is started again");
      await server.kill("SIGKILL");
      misses = 0;
    }
  };
  const watching = watch();
  return () => {
    stopping.abort();
    return watching;
  };
}

async function hasRoom(directory: string): Promise<boolean> {
  const found = await statfs(directory).catch(() => undefined);
  return found !== undefined && found.bavail * found.bsize >= roomBytesMin;
}
