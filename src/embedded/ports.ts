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

/** A port that nothing listens on at this moment. */
export async function findFreePort(): Promise<number> {
  return await listenOnce(0);
}

function listenOnce(port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer();
  server.once("error", reject);
  server.listen({ host: loopback, port, exclusive: true }, () => {
    const address = server.address();
    const found = typeof address === "object" && address !== null ? address.port : port;
    server.close(() => resolve(found));
  });
  return promise;
}
