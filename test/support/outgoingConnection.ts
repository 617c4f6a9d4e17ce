import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { loopback } from "../../src/embedded/ports.ts";
import { freePort } from "./servers.ts";

export interface OutgoingConnection {
  /** The port that the connection has at its own end, where nothing can listen meanwhile. */
  readonly port: number;
  /** Closes it, after which the port is free. Idempotent. */
  readonly close: () => Promise<void>;
}

/** A connection over the loopback interface. */
export async function outgoingConnection(): Promise<OutgoingConnection> {
  const accepted = Promise.withResolvers<Socket>();
  const listener = createServer((socket) => accepted.resolve(socket.resume()));
  const port = await freePort();
  const listening = once(listener, "listening");
  listener.listen(port, loopback);
  await listening;
  const outgoing = connect({ host: loopback, port });
  const closed = once(outgoing, "close");
  await once(outgoing, "connect");
  const serverEnd = await accepted.promise;
  return {
    port: serverEnd.remotePort ?? 0,
    // The end that closes first keeps its port for a minute, so that the other one's is free at
    // once.
    async close() {
      serverEnd.end();
      await closed;
      listener.close();
    },
  };
}
