/**
 * Single payloads at a fixed rate. `bun arrivals.ts URL RATE SECONDS CONNECTIONS` prints JSON: the
 * time the first was due, and for each in turn how late it was answered after it was due, in
 * tenths of a millisecond.
 */
import { OpenLoad } from "./openLoad.ts";

const [url = "", ...numbers] = process.argv.slice(2);
const [rate = 1, seconds = 1, connections = 1] = numbers.map(Number);
const contents = 500;

function body(number: number): string {
  const content = number % contents;
  return (
    `{"token":"viewer-${number % 100_000}","customer":"Viewers${content % 20}",` +
    `"content":"channel${content}","timespan":30000,"p2p":1000,"cdn":2000,` +
    `"sessionDuration":900000}`
  );
}

const load = new OpenLoad({ url, rate, seconds, connections, body });
await load.connect();
const startedMs = Date.now();
await load.run();
const tenths = Array.from(load.answeredAfterMs, (ms) => Math.round(ms * 10));
await Bun.write(Bun.stdout, JSON.stringify({ startedMs, failed: load.failed, tenths }));
process.exit(0);
