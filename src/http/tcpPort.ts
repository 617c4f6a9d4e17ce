/** Ports: one that several threads will share, and why one cannot be had. */
import { errorCode } from "../errorCode.ts";

export interface Address {
  readonly host: string;
  /** 0: one that is free. */
  readonly port: number;
  /** The names of the settings that give host and port, for the message when they are no good. */
  readonly settings?: { readonly host: string; readonly port: string };
}

/** A port that no other process will share. */
export interface PortClaim {
  readonly port: number;
  /** To be called when nobody listens any more. */
  release(): void;
}

/**
 * Two processes on one port would share its requests without either knowing. So before threads
 * share it, it is listened on once without sharing, which fails while anybody else does, and a name
 * is held that one process can have: on Linux, a socket that no file stands for. It keeps two
 * processes that start in the same moment, on the same host and port, from both getting through.
 * @throws when the port cannot be had; the message names it and its setting.
 */
export function claimPort(address: Address): PortClaim {
  const { host } = address;
  try {
    const port = address.port === 0 ? probe(host, 0) : address.port;
    const lock = process.platform === "linux" ? hold(`payload-stats ${host}:${port}`) : undefined;
    const release = () => lock?.stop();
    try {
      probe(host, port);
    } catch (error) {
      release();
      throw error;
    }
    return { port, release };
  } catch (error) {
    throw portUnavailable(address, error);
  }
}

/** Listens for a moment, without sharing; the port. */
function probe(host: string, port: number): number {
  const fetch = () => new Response();
  const server = Bun.serve({ hostname: host, port, reusePort: false, fetch });
  const { port: listened = port } = server;
  void server.stop(true);
  return listened;
}

function hold(name: string) {
  try {
    return Bun.listen({ unix: `\0${name}`, socket: { data: () => {} } });
  } catch (cause) {
    if (errorCode(cause) !== "EADDRINUSE") throw cause;
    // The runtime's own message holds the name of the socket.
    throw Object.assign(new Error("another process has claimed it"), { code: "EADDRINUSE" });
  }
}

/** The error that a failed attempt to listen becomes. */
export function portUnavailable(address: Address, cause: unknown): Error {
  const { host, port } = address;
  const message = `port ${port} of ${host} cannot be listened on: ${advice(address, cause)}`;
  return new Error(message, { cause });
}

/** The port is taken, or needs privileges. A bad host has many codes, some of them left over. */
const portCodes: readonly unknown[] = ["EADDRINUSE", "EACCES"];

function advice({ settings }: Address, error: unknown): string {
  const isOfPort = portCodes.includes(errorCode(error));
  if (!isOfPort) return `set ${settings?.host ?? "the host"} to a name or address of this machine`;
  return settings === undefined ? "set another port" : `set ${settings.port} to a free port`;
}
