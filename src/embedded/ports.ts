/** Ports of the loopback interface. */
import { createServer } from "node:net";
import { EmbeddedError, errorCode } from "./embeddedError.ts";

export const loopback = "127.0.0.1";

/**
 * Fails unless the port can be listened on.
 * @throws EmbeddedError that names the port and the settings that change it.
 */
export async function requireFreePort(
  port: number,
  server: string,
  setting: string,
  urlSetting: string,
): Promise<void> {
  try {
    await listenOnce(port);
  } catch (error) {
    const reason =
      errorCode(error) === "EADDRINUSE" ? "is taken by another program" : String(error);
    throw new EmbeddedError(
      `port ${port} for the embedded ${server} ${reason}: set ${setting} to a free port, or ` +
        `${urlSetting} to use a server of your own`,
      { cause: error },
    );
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
