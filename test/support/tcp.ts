import { once } from "node:events";
import { connect, type Server } from "node:net";
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

/** The answer to a request of exactly these lines, whatever a client would add. */
export async function rawAnswer(port: number, lines: readonly string[]) {
  const socket = connect(port, loopback);
  socket.write([...lines, "Connection: close", "", ""].join("\r\n"));
  const answer = (await Array.fromAsync(socket)).join("");
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  return { status: Number(head.split(" ")[1]), body };
}
