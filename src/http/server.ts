/** Puts an application on a port, and takes it off again without dropping a request. */
import type { AnyElysia } from "elysia";
import type { Log } from "../log.ts";
import { withOrigin } from "./origin.ts";
import { Problem, problemResponse, unexpectedProblem } from "./problem.ts";
import { type Address, portUnavailable } from "./tcpPort.ts";

type Handler = (request: Request) => Response | Promise<Response>;

interface ServeOptions extends Address {
  readonly app: AnyElysia;
  /**
   * Whether other threads of this process, which has claimed the port, listen on it too. The kernel
   * then spreads connections. By default nobody else gets the port.
   */
  readonly isShared?: boolean;
  readonly log: Log;
  /** How long a connection may be silent; shorter in tests. */
  readonly idleSeconds?: number;
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
const idleSecondsDefault = 30;

/** @throws when port or host cannot be had; the message names it and its setting. */
export function serveHttp(options: ServeOptions): HttpServer {
  const server = listen(options);
  const { port } = options;
  let stopped: Promise<void> | undefined;
  const stop = async (drainMs: number) => {
    const timer = setTimeout(() => void server.stop(true), drainMs);
    await server.stop(false);
    clearTimeout(timer);
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

function listen(options: ServeOptions) {
  const { app, host, port, isShared = false, log, directPosts = {} } = options;
  const { idleSeconds = idleSecondsDefault } = options;
  try {
    return Bun.serve({
      hostname: host,
      port,
      reusePort: isShared,
      development: false,
      idleTimeout: idleSeconds,
      // Bodies are bounded by those who read them, with an answer that says so; Bun's is bare.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      routes: Object.fromEntries(
        Object.entries(directPosts).map(([path, handler]) => [path, { POST: handler }]),
      ),
      fetch: async (request, server) => {
        const readable = withOrigin(request);
        if (readable instanceof Problem) return problemResponse(readable);
        // A connection is not idle while a long log is read for its client; it is while a body of
        // it does not come.
        if (request.method !== "GET") return app.fetch(readable);
        server.timeout(request, 0);
        try {
          return await app.fetch(readable);
        } finally {
          server.timeout(request, idleSeconds);
        }
      },
      error: (error) => problemResponse(unexpectedProblem(log, error)),
    });
  } catch (error) {
    throw portUnavailable(options, error);
  }
}

/** Where a listener is reached from its own host. */
export function baseUrl(host: string, port: number): string {
  const name = host === "0.0.0.0" || host === "::" ? "localhost" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${port}`;
}
