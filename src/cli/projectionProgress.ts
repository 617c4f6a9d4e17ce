/** Follows a build of a projection, with a progress bar on stderr. */
import { isObject, type JsonObject } from "../domain/json.ts";
import type { AdminClient } from "./adminClient.ts";
import { CliFailure, NoAnswer } from "./failure.ts";

interface WatchedBuild {
  /** It waits for a decision; else it has ended. */
  readonly waiting: boolean;
  readonly build: JsonObject;
}

const pollMs = 250;
const barWidth = 30;
/** A kill or a restart of the service does not end a build, so it need not end the watch. */
const patienceMs = 60_000;

/** Resolves when the build has ended, or waits for a decision. */
export async function watchBuild(client: AdminClient, name: string): Promise<WatchedBuild> {
  const bar = new ProgressBar(process.stderr);
  let problem: unknown;
  let told: string | undefined;
  let answeredAt = performance.now();
  for (;;) {
    try {
      const body = await client.get(`/admin/projections/${encodeURIComponent(name)}`);
      answeredAt = performance.now();
      const { rebuild, lastRebuild } = body;
      if (!isObject(rebuild)) {
        bar.end();
        if (!isObject(lastRebuild)) throw new CliFailure("there is no build to watch");
        return { waiting: false, build: lastRebuild };
      }
      bar.show(lineOf(name, rebuild));
      if (rebuild.phase === "waiting") {
        bar.end();
        return { waiting: true, build: rebuild };
      }
      const way = rebuild.phase === "paused" ? pausedNote(name, body.state) : undefined;
      if (way !== undefined && way !== told) bar.note(way);
      told = way;
      if (rebuild.problem !== problem && rebuild.problem !== null) {
        bar.note(String(rebuild.problem));
      }
      problem = rebuild.problem;
    } catch (error) {
      const isOver = performance.now() - answeredAt > patienceMs;
      if (isOver || !(error instanceof NoAnswer)) {
        bar.end();
        throw error;
      }
      bar.show(`${name}: no answer; asking again`);
    }
    await Bun.sleep(pollMs);
  }
}

/** It waits for somebody, who may be the one that reads this. A build can be paused by itself. */
function pausedNote(name: string, state: unknown): string {
  const part = state === "paused" ? "" : " --rebuild-only";
  return `it is paused, and goes on after\n  payload-stats projection resume ${name}${part}`;
}

function lineOf(name: string, rebuild: JsonObject): string {
  const percent = Number(rebuild.percent);
  const filled = Math.round((percent / 100) * barWidth);
  const bar = "█".repeat(filled) + "░".repeat(barWidth - filled);
  const { eventsPerSecond: rate, secondsLeft: left } = rebuild;
  const speed = typeof rate === "number" ? ` ${rate.toLocaleString("en")} events/s` : "";
  const rest = typeof left === "number" && left > 0 ? `, ${left} s left` : "";
  return `${name} ${bar} ${percent.toFixed(1)} % ${String(rebuild.phase)}${speed}${rest}`;
}

/** One line that is written over; where stderr is no terminal, a line when the text has changed. */
class ProgressBar {
  #last = "";

  constructor(private readonly stream: NodeJS.WriteStream) {}

  show(line: string): void {
    if (line === this.#last) return;
    this.#last = line;
    this.stream.write(this.stream.isTTY ? `\r\u001b[2K${line}` : `${line}\n`);
  }

  note(line: string): void {
    this.end();
    this.stream.write(`${line}\n`);
  }

  end(): void {
    if (this.#last !== "" && this.stream.isTTY) this.stream.write("\n");
    this.#last = "";
  }
}
