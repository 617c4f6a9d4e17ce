/**
 * The composition root, with system.ts, which knows every adapter. It starts the parts in order
 * and, at SIGTERM, SIGINT or SIGHUP, stops them in reverse.
 */
import { ConfigError, readConfig } from "./config.ts";
import { stderrLog } from "./log.ts";
import { type System, startSystem } from "./system.ts";

/**
 * `bun start` stays beside the service. When it is killed alone, nobody would know what still runs.
 */
const parentFlag = /^--end-with-parent=(\d+)$/;
const parentPollMs = 250;
/** A graceful stop that takes longer than this is cut short. */
const stopMsMax = 9_500;

async function main(): Promise<void> {
  // A log that cannot be written, on a full disk, is no reason to take no payloads.
  for (const output of [process.stdout, process.stderr]) output.on("error", () => {});
  const config = configOrExit();
  const log = stderrLog(config.logLevel);
  const ended = Promise.withResolvers<{ code: number; why: string }>();
  const stopping = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    process.on(signal, () => {
      ended.resolve({ code: 0, why: signal });
      stopping.abort();
    });
  }
  const parent = process.argv.map((argument) => parentFlag.exec(argument)?.[1]).find(Boolean);
  const lookAtParent = () => {
    if (parent === undefined || process.ppid === Number(parent)) return;
    ended.resolve({ code: 0, why: "the end of what started it" });
    stopping.abort();
  };
  lookAtParent();
  setInterval(lookAtParent, parentPollMs).unref();
  // Nothing may fail unseen: what nobody handled ends the process, and a new one starts clean.
  const failed = (error: Error) => {
    log.error("unexpected error", { error, stack: error.stack });
    ended.resolve({ code: 1, why: "an unexpected error" });
  };
  process.on("uncaughtException", failed);
  process.on("unhandledRejection", (error) => {
    log.error("unexpected rejection", { error });
    ended.resolve({ code: 1, why: "an unexpected rejection" });
  });

  const starting = startSystem(config, log, failed, stopping.signal);
  starting.catch((error: unknown) => {
    if (stopping.signal.aborted) return log.warn("the start was given up", { error });
    log.error("cannot start", { error });
    ended.resolve({ code: 1, why: "a failed start" });
  });
  starting.then(announce, () => {});
  const { code, why } = await ended.promise;
  log.info("stopping", { why });
  const cut = setTimeout(() => {
    log.error("the stop took too long and was cut short");
    process.exit(1);
  }, stopMsMax);
  const system = await starting.catch(() => undefined);
  await system?.stop();
  clearTimeout(cut);
  log.info("stopped", { code });
  process.exit(code);
}

function configOrExit() {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const log = stderrLog("error");
    for (const problem of error.problems) log.error(`bad configuration: ${problem}`);
    process.exit(2);
  }
}

/** Says in plain lines where everything is to be reached. */
function announce(system: System): void {
  const width = Math.max(...system.addresses.map(([name]) => name.length));
  const lines = system.addresses.map(([name, address]) => `  ${name.padEnd(width)}  ${address}`);
  process.stdout.write(`payload-stats is ready\n${lines.join("\n")}\n`);
}

await main();
