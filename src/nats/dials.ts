/**
 * nats.js 2.29 closes no socket of a dial that was given up before the server's greeting. A server
 * that is frozen greets nobody: each attempt would leave a socket, on both sides, for good.
 */
import { NodeTransport } from "nats/lib/src/node_transport.js";

/** To be called once, before the first connection; repeats do nothing. */
export function closeAbandonedDials(): void {
  NodeTransport.prototype.close = closeWhole;
}

const { close } = NodeTransport.prototype;

async function closeWhole(this: NodeTransport, error?: Error): Promise<void> {
  if (!this.connected) this.socket?.destroy();
  await close.call(this, error);
}
