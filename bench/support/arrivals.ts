/**
 * Single payloads that arrive by the clock whatever the answers do (open model), over plain
 * sockets. `bun arrivals.ts URL RATE SECONDS CONNECTIONS` prints JSON: the time the first was due,
 * and for each in turn how late it was answered after it was due, in tenths of a millisecond.
 */
const [url = "", ...numbers] = process.argv.slice(2);
const [rate = 1, seconds = 1, connections = 1] = numbers.map(Number);
const { hostname, port } = new URL(url);
const total = rate * seconds;
const latencies = new Uint16Array(total);
const contents = 500;
const closeBrace = 0x7d;
const decoder = new TextDecoder();

interface Arrival {
  number: number;
}

const free: Bun.Socket<Arrival>[] = [];
let [next, answered, failed] = [0, 0, 0];
const done = Promise.withResolvers<void>();

function dueAt(number: number): number {
  return startedAt + (number / rate) * 1_000;
}

function received(socket: Bun.Socket<Arrival>, chunk: Uint8Array): void {
  if (chunk.at(-1) !== closeBrace) return;
  const { number } = socket.data;
  const tenths = (performance.now() - dueAt(number)) * 10;
  latencies[number] = Math.min(65_535, Math.max(0, Math.round(tenths)));
  if (!decoder.decode(chunk).startsWith("HTTP/1.1 202")) failed++;
  answered++;
  if (answered === total) done.resolve();
  free.push(socket);
  if (free.length === 1) sendDue();
}

function sendDue(): void {
  const due = Math.min(total, ((performance.now() - startedAt) / 1_000) * rate);
  while (next < due) {
    const socket = free.shift();
    if (socket === undefined) return;
    const number = next++;
    socket.data.number = number;
    const content = number % contents;
    const body =
      `{"token":"viewer-${number % 100_000}","customer":"Viewers${content % 20}",` +
      `"content":"channel${content}","timespan":30000,"p2p":1000,"cdn":2000,` +
      `"sessionDuration":900000}`;
    const head = `POST /stats HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/json\r\n`;
    socket.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
  }
}

const lost = () => {
  process.stderr.write("a connection was lost\n");
  process.exit(1);
};
for (let i = 0; i < connections; i++) {
  const socket = { data: received, close: lost, error: lost };
  const data = { number: 0 };
  free.push(await Bun.connect<Arrival>({ hostname, port: Number(port), data, socket }));
}
const startedMs = Date.now();
const startedAt = performance.now();
const timer = setInterval(sendDue, 1);
await done.promise;
clearInterval(timer);
await Bun.write(Bun.stdout, JSON.stringify({ startedMs, failed, tenths: [...latencies] }));
process.exit(0);

export {};
