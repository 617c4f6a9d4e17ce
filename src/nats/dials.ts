/**
 * nats.js 2.29 closes no socket of a dial that was given up before the server's greeting. A server
 * that is frozen greets nobody: each attempt would leave a socket, on both sides, for good. So this
 * mends the client, when it is imported.
 */
import { NodeTransport } from "nats/lib/src/node_transport.js";

const { close } = NodeTransport.prototype;

NodeTransport.prototype.close = async function closeWhole(error?: Error): Promise<void> {
  if (!this.connected) this.socket?.destroy();
  await close.call(this, error);
};
