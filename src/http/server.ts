/** Puts an application on a port, and takes it off again without dropping a request. */
import type { AnyElysia } from "elysia";
import type { Log } from "../log.ts";
import { unexpectedProblem } from "./errorHandler.ts";
import { withOrigin } from "./origin.ts";
import { Problem, problemResponse } from "./problem.ts";

export type Handler = (request: Request) => Response | Promise<Response>;

/**
 * `alone`: nobody else gets the port. `first`: nobody else has it, and `further` servers of this
 * process will listen on it, among which the kernel then spreads connections.
 */
export type PortSharing = "alone" | "first" | "further";

export interface ServeOptions {
  readonly app: AnyElysia;
  readonly host: string;
  /** 0: one that is free. */
  readonly port: number;
  /** The names of the settings that give host and port, for the message when they are no good. */
  readonly settings?: { readonly host: string; readonly port: string };
  /** Whether other threads of this process listen on the port too; by default none does. */
  readonly sharing?: PortSharing;
  readonly log: Log;
  /** POST routes that are answered before the application's router, by path. */
  readonly directPosts?: Readonly<Record<string, Handler>>;
}

export interface HttpServer {
  readonly url: string;
  readonly port: number;
  /** Stops accepting, lets requests in flight end, and cuts what is left after `drainMs`. */
  stop(drainMs: number): Promise<void>;
}

/** Longer than an append to the log may take, so that a slow one still gets its answer. */
const idleSecondsMax = 30;

/** @throws when port or host cannot be had; the message names it and its setting. */
export function serveHttp(options: ServeOptions): HttpServer {
  const { server, lock } = listen(options);
  const { port } = options;
  let stopped: Promise<void> | undefined;
  const stop = async (drainMs: number) => {
    const timer = setTimeout(() => void server.stop(true), drainMs);
    await server.stop(false);
    clearTimeout(timer);
    lock?.stop();
  };
  return {
    url: server.url.href.replace(/\/$/, ""),
    port: server.port ?? port,
    stop: (drainMs) => {
      stopped ??= stop(drainMs);
      return stopped;
    },
  };
}

/** The lock is undefined where the port is not shared, or the system has none such. */
function listen(options: ServeOptions) {
  const { app, host, log, sharing = "alone", directPosts = {} } = options;
  let lock: Lock | undefined;
  try {
    const claim = sharing === "first" ? claimPort(options) : undefined;
    lock = claim?.lock;
    const server = Bun.serve({
      hostname: host,
      port: claim?.port ?? options.port,
      reusePort: sharing !== "alone",
      development: false,
      idleTimeout: idleSecondsMax,
      // Bodies are bounded by those who read them, with an answer that says so; Bun's is bare.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      routes: Object.fromEntries(
        Object.entries(directPosts).map(([path, handler]) => [path, { POST: handler }]),
      ),
      fetch: (request) => {
        const readable = withOrigin(request);
        return readable instanceof Problem ? problemResponse(readable) : app.fetch(readable);
      },
      error: (error) => problemResponse(unexpectedProblem(log, error)),
    });
    return { server, lock };
  } catch (error) {
    lock?.stop();
    throw new Error(
      `port ${options.port} of ${host} cannot be listened on: ${advice(options, error)}`,
      {
        cause: error,
      },
    );
  }
}

type Lock = ReturnType<typeof Bun.listen>;

/**
 * Two processes on one port would share its requests without either knowing. So the port is first
 * listened on without sharing it, which fails while anybody else does, and then a name is held that
 * only one process can have: on Linux, a socket that no file stands for.
 */
function claimPort({ host, port: wanted }: ServeOptions): { port: number; lock: Lock | undefined } {
  const probe = Bun.serve({
    hostname: host,
    port: wanted,
    reusePort: false,
    fetch: () => new Response(),
  });
  const { port = wanted } = probe;
  try {
    const unix = `\0payload-stats ${host}:${port}`;
    const socket = { data: () => {} };
    return { port, lock: process.platform === "linux" ? Bun.listen({ unix, socket }) : undefined };
  } finally {
    void probe.stop(true);
  }
}

/** The port is taken, or needs privileges. A bad host has many codes, some of them left over. */
const portCodes: readonly unknown[] = ["EADDRINUSE", "EACCES"];

function advice({ settings }: ServeOptions, error: unknown): string {
  const isOfPort = error instanceof Error && "code" in error && portCodes.includes(error.code);
  if (!isOfPort) return `set ${settings?.host ?? "the host"} to a name or address of this machine`;
  return settings === undefined ? "set another port" : `set ${settings.port} to a free port`;
}

/** Where a listener is reached from its own host. */
export function baseUrl(host: string, port: number): string {
  const name = host === "0.0.0.0" || host === "::" ? "localhost" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${port}`;
}
