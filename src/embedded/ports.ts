/** Ports of the loopback interface. */
import { connect, createServer } from "node:net";
import { errorCode } from "../errorCode.ts";
import type { Log } from "../log.ts";
import { EmbeddedError } from "./embeddedError.ts";

export const loopback = "127.0.0.1";

/** Linux keeps a closed connection, and its port, for a minute (TCP_TIMEWAIT_LEN). */
const connectionLeavesMs = 65_000;
const againMs = 250;
/** A server on this machine answers sooner, unless it is overloaded. */
const answerMs = 1_000;

export interface PortNeeded {
  /** What is to listen there, in words. */
  readonly server: string;
  /** What to do when the port cannot be had, in words. */
  readonly advice: string;
  readonly log: Log;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
  /** The longest wait; as long as a closed connection may have the port unless given. */
  readonly patienceMs?: number;
}

/**
 * Waits until the port can be listened on. A connection from a loopback address may have this port
 * at its own end, while it is open and for a minute after it was closed, and no server can listen
 * there meanwhile. This waits long enough for one that was closed already, and says so.
 * @throws EmbeddedError that names the port and what to do; at once when a program listens there.
 */
export async function requireFreePort(port: number, needed: PortNeeded): Promise<void> {
  const { server, log, signal, patienceMs = connectionLeavesMs } = needed;
  const deadlineMs = performance.now() + patienceMs;
  for (let told = false; ; told = true) {
    const error = await listenOnce(port).catch((cause: unknown) => cause);
    if (error === undefined) return;
    const isHeld = errorCode(error) === "EADDRINUSE" && !(await isListenedOn(port));
    const isOver = performance.now() >= deadlineMs || signal?.aborted === true;
    if (!isHeld || isOver) throw refusal(port, needed, error, isHeld);
    if (!told) log.warn(`waiting for a connection to leave the port of ${server}`, { port });
    await Bun.sleep(againMs);
  }
}

function refusal(port: number, needed: PortNeeded, cause: unknown, isHeld: boolean): EmbeddedError {
  const isTaken = errorCode(cause) === "EADDRINUSE";
  const taken = isHeld ? "is held by a connection" : "is taken by another program";
  const reason = isTaken ? taken : String(cause);
  return new EmbeddedError(`port ${port} for ${needed.server} ${reason}: ${needed.advice}`, {
    cause,
  });
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

/**
 * Whether a program listens on the port, which a mere connection of one does not. One that does not
 * answer in time does listen: where nobody does, the system refuses at once.
 */
function isListenedOn(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host: loopback, port });
  const timer = setTimeout(() => resolve(true), answerMs);
  // The system may choose the same port for our own end, which is then connected to itself.
  socket.once("connect", () => resolve(socket.localPort !== port));
  socket.once("error", (error) => resolve(errorCode(error) !== "ECONNREFUSED"));
  return promise.finally(() => {
    clearTimeout(timer);
    // With a reset, no end of it stays on the port for another minute.
    socket.resetAndDestroy();
  });
}
