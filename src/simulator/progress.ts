/** The progress of a run: one line that is redrawn on a terminal, else a line now and then. */
import { styleText } from "node:util";
import type { Tallies } from "./tallies.ts";

export interface ProgressState {
  readonly phase: string;
  /** From 0 to 1. */
  readonly share: number;
  readonly leftMs: number;
  readonly watching: number;
  readonly lateMs: number;
}

/** Where the progress is shown. */
export interface Screen {
  /** True where a line can be redrawn. */
  readonly isTerminal: boolean;
  readonly hasColours: boolean;
  write(text: string): void;
}

const redrawEveryMs = 200;
const lineEveryMs = 10_000;
const barWidth = 20;
/** The rate shown is that of the last seconds. */
const rateOverMs = 3_000;

export class Progress {
  readonly #timer: NodeJS.Timeout;
  #samples: { readonly atMs: number; readonly sent: number }[] = [
    { atMs: performance.now(), sent: 0 },
  ];

  constructor(
    private readonly screen: Screen,
    private readonly tallies: Tallies,
    private readonly state: () => ProgressState,
  ) {
    const everyMs = screen.isTerminal ? redrawEveryMs : lineEveryMs;
    this.#timer = setInterval(() => this.#draw(), everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#draw();
    if (this.screen.isTerminal) this.screen.write("\n");
  }

  #draw(): void {
    const state = this.state();
    const text = [
      `${bar(state.share)} ${state.phase}`,
      `${seconds(state.leftMs)} left`,
      `${count(this.#rate())}/s`,
      this.#coloured("green", `${count(this.tallies.acknowledged)} acknowledged`),
      this.#alarming(this.tallies.refused, "refused"),
      this.#alarming(this.tallies.unknown, "unknown"),
      `p50 ${milliseconds(this.tallies.latencies.quantile(0.5))}`,
      `p99 ${milliseconds(this.tallies.latencies.quantile(0.99))}`,
      `${count(state.watching)} watching`,
      ...(state.lateMs > 1_000 ? [`${seconds(state.lateMs)} late`] : []),
    ].join("  ");
    this.screen.write(this.screen.isTerminal ? `\r${text}\u001b[K` : `${text}\n`);
  }

  #alarming(value: number, name: string): string {
    const text = `${count(value)} ${name}`;
    return value === 0 ? text : this.#coloured("yellow", text);
  }

  #coloured(colour: "green" | "yellow", text: string): string {
    return this.screen.hasColours ? styleText(colour, text, { validateStream: false }) : text;
  }

  #rate(): number {
    const atMs = performance.now();
    this.#samples.push({ atMs, sent: this.tallies.sent });
    const keepMs = Math.max(rateOverMs, this.screen.isTerminal ? 0 : lineEveryMs);
    while ((this.#samples[1]?.atMs ?? atMs) < atMs - keepMs) this.#samples.shift();
    const first = this.#samples[0];
    if (first === undefined || first.atMs === atMs) return 0;
    return ((this.tallies.sent - first.sent) / (atMs - first.atMs)) * 1_000;
  }
}

/** `1234567.8` as `1,234,568`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

export function milliseconds(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${count(ms)} ms`;
}

function seconds(ms: number): string {
  return `${count(Math.max(0, ms) / 1_000)} s`;
}

function bar(share: number): string {
  const done = Math.round(Math.min(1, Math.max(0, share)) * barWidth);
  return `[${"#".repeat(done)}${"-".repeat(barWidth - done)}]`;
}
