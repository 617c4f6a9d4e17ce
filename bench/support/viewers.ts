/**
 * A million viewers, and what they count themselves.
 * `bun viewers.ts URL RATE SECONDS CONNECTIONS TOKENS CONTENTS WINDOW_MS`; prints JSON.
 */
import { quantileOf } from "./numbers.ts";
import { OpenLoad } from "./openLoad.ts";
import { Audience } from "./viewerAudience.ts";

const [url = "", ...numbers] = process.argv.slice(2);
const [rate = 1, seconds = 1, connections = 1, tokens = 1, contents = 1, windowMs = 1] =
  numbers.map(Number);
const audience = new Audience(tokens, contents, windowMs);
const load = new OpenLoad({
  ...{ url, rate, seconds, connections },
  body: (number) => audience.body(number),
  accepted: (number, sentAtMs, body) => audience.answered(number, sentAtMs, Date.now(), body),
});

const beginMs = (Math.floor(Date.now() / windowMs) + 1) * windowMs + 50;
await Bun.sleep(beginMs - 1_000 - Date.now());
await load.connect();
await Bun.sleep(beginMs - Date.now());
const startMs = performance.now();
const cpuBefore = process.cpuUsage();
await load.run();
const took = (performance.now() - startMs) / 1_000;
const { user, system } = process.cpuUsage(cpuBefore);
const [answered, sent] = [load.answeredAfterMs.sort(), load.sentAfterMs.sort()];
const tenth = (ms: number) => Math.round(ms * 10) / 10;
const summary = {
  requests: load.total,
  failed: load.failed,
  rate: load.total / took,
  p50: tenth(quantileOf(answered, 0.5)),
  p99: tenth(quantileOf(answered, 0.99)),
  p999: tenth(quantileOf(answered, 0.999)),
  sentLateP99: tenth(quantileOf(sent, 0.99)),
  cores: (user + system) / 1e6 / took,
  ...audience.summary(),
};
// Unlike process.stdout.write, it is done when the whole text has gone through the pipe.
await Bun.write(Bun.stdout, JSON.stringify(summary));
process.exit(0);
