/**
 * A million viewers, as lean as can be: plain sockets, one request under way on each, arrivals by
 * the clock whatever the answers do (open model), latencies from the time a request was due.
 * `bun viewers.ts URL RATE SECONDS CONNECTIONS TOKENS CONTENTS WINDOW_MS`; prints JSON.
 */
import { Audience } from "./viewerAudience.ts";

const [url = "", ...numbers] = process.argv.slice(2);
const [rate = 1, seconds = 1, connections = 1, tokens = 1, contents = 1, windowMs = 1] =
  numbers.map(Number);
const { hostname, port } = new URL(url);
const audience = new Audience(tokens, contents, windowMs);
const total = rate * seconds;
const closeBrace = 0x7d;
const bucketMs = 0.1;
const buckets = new Uint32Array(100_001);
const lateBuckets = new Uint32Array(100_001);
const decoder = new TextDecoder();

interface Viewer {
  number: number;
  dueMs: number;
  sentAtMs: number;
  text: string;
}

type Connection = Bun.Socket<Viewer>;

/** In turns, so that none is silent for so long that the server closes it. */
const free: Connection[] = [];
let [next, answered, failed] = [0, 0, 0];
let startMs = 0;
const done = Promise.withResolvers<void>();

function count(histogram: Uint32Array, ms: number): void {
  const bucket = Math.min(histogram.length - 1, Math.max(0, Math.round(ms / bucketMs)));
  histogram[bucket] = (histogram[bucket] ?? 0) + 1;
}

function quantile(histogram: Uint32Array, share: number): number {
  let left = histogram.reduce((sum, one) => sum + one, 0) * share;
  const bucket = histogram.findIndex((one) => {
    left -= one;
    return left <= 0;
  });
  return Math.round(bucket * bucketMs * 10) / 10;
}

function received(socket: Connection, chunk: Uint8Array): void {
  const viewer = socket.data;
  viewer.text += decoder.decode(chunk);
  if (chunk.at(-1) !== closeBrace) return;
  const { text, number } = viewer;
  viewer.text = "";
  count(buckets, performance.now() - viewer.dueMs);
  if (text.startsWith("HTTP/1.1 202")) {
    const body = text.slice(text.lastIndexOf("{"));
    audience.answered(number, viewer.sentAtMs, Date.now(), body);
  } else {
    failed++;
  }
  answered++;
  if (answered === total) done.resolve();
  free.push(socket);
  // What had to wait for a connection is late already and does not wait for the timer too.
  if (free.length === 1) sendDue();
}

/** Sends everything that is due, as long as connections are free. */
function sendDue(): void {
  const dueCount = Math.min(total, ((performance.now() - startMs) / 1_000) * rate);
  while (next < dueCount) {
    const socket = free.shift();
    if (socket === undefined) return;
    const viewer = socket.data;
    viewer.number = next;
    viewer.dueMs = startMs + (next / rate) * 1_000;
    viewer.sentAtMs = Date.now();
    count(lateBuckets, performance.now() - viewer.dueMs);
    const body = audience.body(next++);
    const head = `POST /stats HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/json\r\n`;
    const request = `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
    if (socket.write(request) !== request.length) giveUp("a request was cut");
  }
}

function giveUp(why: string): never {
  process.stderr.write(`the viewers stop: ${why}, ${answered} of ${total} were answered\n`);
  process.exit(1);
}

// Connected just before the start, since a server closes connections that are silent for long.
const beginMs = (Math.floor(Date.now() / windowMs) + 1) * windowMs + 50;
await Bun.sleep(beginMs - 1_000 - Date.now());
for (let i = 0; i < connections; i++) {
  const data: Viewer = { number: 0, dueMs: 0, sentAtMs: 0, text: "" };
  const lost = () => giveUp("a connection was lost");
  const socket = { data: received, close: lost, error: lost };
  free.push(await Bun.connect<Viewer>({ hostname, port: Number(port), data, socket }));
}
await Bun.sleep(beginMs - Date.now());
startMs = performance.now();
const cpuBefore = process.cpuUsage();
const timer = setInterval(sendDue, 1);
await done.promise;
clearInterval(timer);
const took = (performance.now() - startMs) / 1_000;
const { user, system } = process.cpuUsage(cpuBefore);
const summary = {
  requests: answered,
  failed,
  rate: answered / took,
  p50: quantile(buckets, 0.5),
  p99: quantile(buckets, 0.99),
  p999: quantile(buckets, 0.999),
  sentLateP99: quantile(lateBuckets, 0.99),
  cores: (user + system) / 1e6 / took,
  ...audience.summary(),
};
// Unlike process.stdout.write, it is done when the whole text has gone through the pipe.
await Bun.write(Bun.stdout, JSON.stringify(summary));
process.exit(0);
