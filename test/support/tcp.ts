import { once } from "node:events";
import type { Server } from "node:net";
import { loopback } from "../../src/embedded/ports.ts";

/** Lets a server listen on the loopback interface; resolves with its port. */
export async function listening(server: Server): Promise<number> {
  const listens = once(server, "listening");
  server.listen(0, loopback);
  await listens;
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
