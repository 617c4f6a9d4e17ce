/** Who watches what, and what each window should hold, by the count of the generator itself. */
import { Random, Zipf } from "../../src/simulator/random.ts";

/** Sums of one content in one window: cdn, p2p, payloads, sessions. */
const width = 4;
const intervalMs = 30_000;
/** This share of the viewers has just begun, and this share of their payloads carries no byte. */
const youngShare = 0.05;
const emptyShare = 0.02;
/** Viewers who are not young have watched at least so many intervals. */
const oldIntervals = 20;

/** A payload whose window is not known from the clock alone, because a boundary was near. */
export type Unclear = readonly [
  windowBefore: number,
  partition: number,
  sequence: number,
  content: number,
  sums: readonly number[],
];

export class Audience {
  readonly #contents: Uint16Array;
  readonly #young: Uint8Array;
  readonly #windows = new Map<number, Float64Array>();
  readonly #unclear: Unclear[] = [];
  readonly #salt = new Random(Date.now()).uint32().toString(16).padStart(8, "0");

  constructor(
    private readonly tokens: number,
    private readonly contents: number,
    private readonly windowMs: number,
  ) {
    const random = new Random(tokens);
    const zipf = new Zipf(contents, 1);
    this.#contents = Uint16Array.from({ length: tokens }, () => zipf.rank(random));
    this.#young = Uint8Array.from({ length: tokens }, () => Number(random.chance(youngShare)));
  }

  /** The body of the payload with this number; all texts are ASCII. */
  body(number: number): string {
    const token = number % this.tokens;
    const content = this.#contents[token] ?? 0;
    const [cdn, p2p] = this.#bytes(number);
    const name = `${token.toString(16).padStart(8, "0")}-5b1d-4c8e-9f3a-0000${this.#salt}`;
    return (
      `{"token":"${name}","customer":"Customer${content % 20}","content":"channel${content}",` +
      `"timespan":${intervalMs},"p2p":${p2p},"cdn":${cdn},"sessionDuration":${this.#age(number)}}`
    );
  }

  /** Counts a payload that was answered 202. `receipt` is the body of the answer. */
  answered(number: number, sentAtMs: number, answeredAtMs: number, receipt: string): void {
    const content = this.#contents[number % this.tokens] ?? 0;
    const [cdn, p2p] = this.#bytes(number);
    const isFirst = number < this.tokens;
    const isYoung = this.#age(number) < this.windowMs;
    const session = Number(isYoung && (isFirst || cdn + p2p === 0));
    const sums = [cdn, p2p, 1, session];
    const window = Math.floor(sentAtMs / this.windowMs);
    if (window === Math.floor(answeredAtMs / this.windowMs)) {
      this.#add(window, content, sums);
      return;
    }
    const [partition = 0, sequence = 0] = (/"(\d+)\.(\d+)\./.exec(receipt) ?? [])
      .slice(1)
      .map(Number);
    this.#unclear.push([window, partition, sequence, content, sums]);
  }

  summary() {
    const windows = [...this.#windows].map(([window, sums]) => [window, [...sums]] as const);
    return { windows, unclear: this.#unclear };
  }

  #age(number: number): number {
    const token = number % this.tokens;
    const sent = Math.floor(number / this.tokens);
    return intervalMs * (sent + (this.#young[token] === 1 ? 0 : oldIntervals + (token % 200)));
  }

  /** A function of the number, so that nothing has to be kept until the answer. */
  #bytes(number: number): readonly [cdn: number, p2p: number] {
    const mixed = Math.imul(number ^ 0x9e3779b9, 0x85ebca6b) >>> 0;
    const isYoung = this.#young[number % this.tokens] === 1;
    if (isYoung && mixed % 1_000 < emptyShare * 1_000) return [0, 0];
    return [mixed % 20_000_003, (mixed >>> 3) % 15_000_017];
  }

  #add(window: number, content: number, sums: readonly number[]): void {
    let all = this.#windows.get(window);
    if (all === undefined) {
      all = new Float64Array(this.contents * width);
      this.#windows.set(window, all);
    }
    for (const [i, sum] of sums.entries()) {
      all[content * width + i] = (all[content * width + i] ?? 0) + sum;
    }
  }
}
