/**
 * `bun run soak`: is memory flat, and are file descriptors, while payloads arrive at a fixed rate
 * for a long time? See `--help`.
 */
import { Output } from "../src/cli/output.ts";
import { runProgram, standalone } from "../src/cli/program.ts";
import { durationOption } from "../src/cli/times.ts";
import { numberFrom, ordinal } from "../src/cli/verb.ts";
import { readConfig } from "../src/config.ts";
import { formatDuration } from "../src/domain/duration.ts";
import type { TestProcess } from "../test/support/process.ts";
import { benchSite, note, runBench } from "./support/bench.ts";
import { openSql, payloadsSealed, reach, sealedMs } from "./support/counted.ts";
import { type Footprint, footprintsOf } from "./support/footprint.ts";
import { describeMachine } from "./support/machine.ts";
import { spreadOf } from "./support/numbers.ts";
import { rises, slopeOf } from "./support/slope.ts";
import { type SteadyBooks, SteadyLoad } from "./support/steadyLoad.ts";

/** Before that, what is opened and filled once looks like growth. */
const judgedMs = 300_000;
/** The first starts the embedded servers, and the others share these. */
const splitRoles = ["ingest", "worker", "projector", "admin"] as const;
const shownBytes = 1_048_576;
/** Files a minute, and as a share of those that are open. */
const filesBound = 1;
const filesShare = 0.02;

interface SoakFlags {
  readonly for: number;
  readonly rate: number;
  readonly rows: number;
  readonly window: string;
  readonly retention: string;
  readonly every: number;
  readonly bound: number;
  readonly split?: true;
  readonly json?: string;
}

const command = standalone("bun run soak")
  .description("Runs the whole service under a steady load, and looks whether anything grows.")
  .addOption(durationOption("--for <duration>", "how long to send", "10m", 1_000))
  .option("--rate <n>", "payloads a second", ordinal, 20_000)
  .option("--rows <n>", "payloads in a request; 1 sends single posts", ordinal, 100)
  .option("--window <duration>", "length of a window", "10s")
  .option("--retention <duration>", "how long sealed payloads stay in the streams", "1m")
  .addOption(durationOption("--every <duration>", "between two samples", "5s", 1_000))
  .option("--bound <mib>", "a process may grow by so much a minute", numberFrom(0, 1_000), 1)
  .option("--split", "ingest, worker, projector and admin as a process each, not all in one")
  .option("--json <file>", "keeps all samples")
  .addHelpText(
    "after",
    `
Memory is what is resident and not shared; that of all Postgres backends is one sum, and what they
share stands by itself, once. Open files are those of the process that has most; Postgres keeps
those of its tables open, up to a bound of its own, and closes them when it likes (the checkpointer
after each checkpoint), so they are told and not judged. Slopes are of the last two thirds of the
time: least squares, with the standard error. Exit code 1: a process grows by more than the bound,
or opens more files a minute than one and than 2 % of those it has, in both cases by more than three
standard errors; or payloads that were acknowledged are not counted. The first minutes grow: nats-
server keeps the block that it writes of each stream (8 MiB), and Postgres's backends open the files
that they touch. So a run of less than five minutes judges no growth.`,
  )
  .action(async (flags: SoakFlags) => {
    const options = soakOptions(flags);
    await runBench(() => soak(options));
  });

interface Options {
  readonly forMs: number;
  readonly rate: number;
  readonly rows: number;
  readonly windowMs: number;
  readonly retention: string;
  readonly everyMs: number;
  readonly boundMib: number;
  readonly split: boolean;
  readonly json: string | undefined;
}

interface Sample {
  readonly minute: number;
  readonly footprints: ReadonlyMap<string, Footprint>;
}

/** @throws ConfigError for what the service would refuse, before anything is started. */
function soakOptions(flags: SoakFlags): Options {
  const config = readConfig({ WINDOW: flags.window, RAW_RETENTION: flags.retention });
  return {
    forMs: flags.for,
    rate: flags.rate,
    rows: flags.rows,
    windowMs: config.windowMs,
    retention: formatDuration(config.rawRetentionMs),
    everyMs: flags.every,
    boundMib: flags.bound,
    split: flags.split === true,
    json: flags.json,
  };
}

/** The processes of the service by name; the first has the embedded servers. */
async function startService(options: Options): Promise<ReadonlyMap<string, TestProcess>> {
  const site = await benchSite({
    WINDOW: formatDuration(options.windowMs),
    RAW_RETENTION: options.retention,
  });
  if (!options.split) return new Map([["payload-stats", await site.start()]]);
  const [firstRole, ...otherRoles] = splitRoles;
  const first = await site.start({ ROLES: firstRole });
  const started = new Map<string, TestProcess>([[firstRole, first]]);
  const urls = { DATABASE_URL: first.databaseUrl, NATS_URL: first.natsUrl };
  for (const role of otherRoles) started.set(role, await site.start({ ...urls, ROLES: role }));
  return started;
}

/** Samples until the signal is aborted. */
async function watch(
  roots: ReadonlyMap<number, string>,
  everyMs: number,
  signal: AbortSignal,
): Promise<Sample[]> {
  const startMs = performance.now();
  const samples: Sample[] = [];
  while (!signal.aborted) {
    const minute = (performance.now() - startMs) / 60_000;
    samples.push({ minute, footprints: footprintsOf(roots) });
    await Bun.sleep(everyMs);
  }
  return samples;
}

/** One process, or all of one program, over the whole time. */
function lineOf(name: string, samples: readonly Sample[], { boundMib, forMs }: Options) {
  const series = samples.flatMap(({ minute, footprints }) => {
    const found = footprints.get(name);
    return found === undefined ? [] : [{ minute, ...found }];
  });
  const late = series.slice(Math.floor(series.length / 3));
  const minutes = late.map(({ minute }) => minute);
  const mib = series.map(({ memoryBytes }) => memoryBytes / shownBytes);
  const memory = slopeOf(minutes, mib.slice(series.length - late.length));
  const files = slopeOf(
    minutes,
    late.map((sample) => sample.files),
  );
  const isShared = name === "shared memory";
  const isJudged = forMs >= judgedMs;
  const grows = isJudged && !isShared && rises(memory, boundMib);
  const open = spreadOf(late.map((sample) => sample.files)).median;
  const isPostgres = name === "postgres";
  const opens = isJudged && !isPostgres && rises(files, Math.max(filesBound, open * filesShare));
  return {
    name,
    first: mib[0]?.toFixed(1),
    last: mib.at(-1)?.toFixed(1),
    median: spreadOf(mib).median.toFixed(1),
    slope: `${memory.slope.toFixed(3)} ± ${memory.error.toFixed(3)}`,
    memory: verdict(isShared, isJudged, grows ? "GROWS" : "flat"),
    files: `${series[0]?.files} to ${series.at(-1)?.files}`,
    filesSlope: `${files.slope.toFixed(2)} ± ${files.error.toFixed(2)}`,
    descriptors: verdict(isPostgres, isJudged, opens ? "GROW" : "flat"),
    good: !grows && !opens,
  };
}

function verdict(isBounded: boolean, isJudged: boolean, found: string): string {
  if (isBounded) return "bounded";
  return isJudged ? found : "too short";
}

function printReport(options: Options, samples: readonly Sample[], books: SteadyBooks) {
  const names = [...new Set(samples.flatMap(({ footprints }) => [...footprints.keys()]))];
  const lines = names.map((name) => lineOf(name, samples, options));
  new Output("table").rows({}, lines, [
    ["PROCESS", "name"],
    ["FIRST MiB", "first"],
    ["LAST", "last"],
    ["MEDIAN", "median"],
    ["MiB/min", "slope"],
    ["MEMORY", "memory"],
    ["FDS", "files"],
    ["FDS/min", "filesSlope"],
    ["FDS", "descriptors"],
  ]);
  const { cores, cpu, loadBefore } = describeMachine();
  const seconds = options.forMs / 1_000;
  process.stdout.write(
    `${samples.length} samples in ${seconds.toFixed(0)} s; ${JSON.stringify(books)}; ` +
      `${Math.round(books.accepted / seconds)} payloads/s acknowledged; ${cores} cores, ${cpu}, ` +
      `load ${loadBefore}\n`,
  );
  return lines;
}

/** Every window is sealed; the payloads in the events. */
async function counted(databaseUrl: string): Promise<number> {
  const sql = openSql(databaseUrl);
  try {
    const endMs = Date.now();
    await reach("sealing everything", async () => (await sealedMs(sql)) > endMs, 100);
    return await payloadsSealed(sql);
  } finally {
    await sql.end();
  }
}

/** False when something grew, or was not counted, as it has printed. */
async function soak(options: Options): Promise<boolean> {
  const service = await startService(options);
  const [first] = service.values();
  if (first === undefined) throw new Error("nothing was started");
  const roots = new Map([...service].map(([name, { pid }]) => [pid, name]));
  const pids = [...roots].map(([pid, name]) => `${name} ${pid}`).join(", ");
  note(`${options.rate} payloads/s for ${formatDuration(options.forMs)}; pids: ${pids}`);
  const load = new SteadyLoad(first.url, options.rate, options.rows);
  const ending = AbortSignal.timeout(options.forMs);
  const [samples] = await Promise.all([watch(roots, options.everyMs, ending), load.run(ending)]);
  const { books } = load;
  const found = await counted(first.databaseUrl);
  const codes: number[] = [];
  // The one that has the servers goes last.
  for (const running of [...service.values()].reverse()) codes.push(await running.stop());
  const lines = printReport(options, samples, books);
  if (options.json !== undefined) {
    const series = samples.map(({ minute, footprints }) => ({
      minute,
      ...Object.fromEntries(footprints),
    }));
    await Bun.write(options.json, JSON.stringify({ options, books, found, lines, series }));
  }
  // What was refused may have been stored all the same.
  const exact = found >= books.accepted && found <= books.accepted + books.refused;
  process.stdout.write(`${found} payloads counted: ${exact ? "right" : "WRONG"}\n`);
  return exact && codes.every((code) => code === 0) && lines.every(({ good }) => good);
}

process.exitCode = await runProgram(command, process.argv.slice(2));
