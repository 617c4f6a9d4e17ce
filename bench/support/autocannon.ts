/**
 * autocannon in a process of its own: `bun autocannon.ts URL CONNECTIONS SECONDS TOKENS CONTENTS`.
 */
import autocannon from "autocannon";
import { Random } from "../../src/simulator/random.ts";
import { payloadBody } from "./load.ts";

const [url = "", ...numbers] = process.argv.slice(2);
const [connections = 1, duration = 1, tokens = 1, contents = 1] = numbers.map(Number);
const random = new Random(Date.now());
const requests = Array.from({ length: tokens }, () => ({
  method: "POST" as const,
  headers: { "content-type": "application/json" },
  body: payloadBody(random, contents),
}));
const result = await autocannon({ url, connections, duration, requests });
const { p50, p99, p99_9 } = result.latency;
process.stdout.write(
  JSON.stringify({
    requests: result.requests.total,
    duration: result.duration,
    failed: result.non2xx + result.errors + result.timeouts,
    p50,
    p99,
    p999: p99_9,
  }),
);
