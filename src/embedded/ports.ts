/** Ports of the loopback interface. */
import { connect, createServer } from "node:net";
import type { Log } from "../log.ts";
import { EmbeddedError, errorCode } from "./embeddedError.ts";

export const loopback = "127.0.0.1";

/** Linux keeps a closed connection, and its port, for a minute (TCP_TIMEWAIT_LEN). */
const connectionLeavesMs = 65_000;
const againMs = 250;

/**
 * Waits until the port can be listened on. An outgoing connection of any program may have this
 * port at its own end, and holds it until a minute after it was closed, in which no server can
 * listen there; this waits for as long, and says so.
 * @throws EmbeddedError that names the port and the settings that change it; at once when a
 * program listens there.
 */
export async function requireFreePort(
  port: number,
  server: string,
  setting: string,
  urlSetting: string,
  log: Log,
): Promise<void> {
  const deadlineMs = performance.now() + connectionLeavesMs;
  for (let tries = 1; ; tries++) {
    const error = await listenOnce(port).catch((cause: unknown) => cause);
    if (error === undefined) return;
    const isTaken = errorCode(error) === "EADDRINUSE";
    const isHeld = isTaken && !(await isListenedOn(port));
    if (!isHeld || performance.now() >= deadlineMs) {
      const holder = isHeld ? "a connection of another program" : "another program";
      throw new EmbeddedError(
        `port ${port} for the embedded ${server} ${isTaken ? `is taken by ${holder}` : error}: ` +
          `set ${setting} to a free port, or ${urlSetting} to use a server of your own`,
        { cause: error },
      );
    }
    if (tries === 1) log.warn(`waiting for a connection to leave the ${server} port`, { port });
    await Bun.sleep(againMs);
  }
}

/**
 * Systems take the local ports of outgoing connections from above these, so that none of those
 * takes a port away between the moment it was found and the moment a server listens on it.
 */
const firstPort = 16_384;
const lastPort = 32_767;
const triesMax = 100;
/** What was found in this process is not found again: its server may not listen yet. */
const found = new Set<number>();

/** A port that nothing listens on at this moment, and that no connection will take. */
export async function findFreePort(): Promise<number> {
  for (let tries = 1; ; tries++) {
    const port = firstPort + Math.floor(Math.random() * (lastPort - firstPort + 1));
    if (found.has(port)) continue;
    try {
      await listenOnce(port);
      found.add(port);
      return port;
    } catch (error) {
      if (tries >= triesMax) throw error;
    }
  }
}

function listenOnce(port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const server = createServer();
  server.once("error", reject);
  server.listen({ host: loopback, port, exclusive: true }, () => server.close(() => resolve()));
  return promise;
}

/** Whether a program takes connections on the port, which a mere connection of one does not. */
function isListenedOn(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host: loopback, port });
  socket.once("connect", () => resolve(true));
  socket.once("error", (error) => resolve(errorCode(error) !== "ECONNREFUSED"));
  return promise.finally(() => socket.destroy());
}
