import { hash32, highSeed, lowSeed } from "../domain/digest.ts";
import { encodeDigests } from "../domain/digestCodec.ts";
import type { WindowSealed } from "../domain/events.ts";
import { Tally } from "../domain/tally.ts";
import {
  idleSnapshot,
  step,
  type WindowAction,
  type WindowEvent,
  type WindowSnapshot,
  type WindowState,
  windowEvents,
} from "../domain/windowMachine.ts";
import { windowEndMs, windowStartMs } from "../domain/windows.ts";

const emptyTally = new Tally();

/** One (customer, content): its name, its xstate machine, and the payloads not yet sent to it. */
export class WindowActor {
  /** Seeds of the digests of tokens, so that a token in two contents makes two digests. */
  readonly highSeed: number;
  readonly lowSeed: number;
  /** Index of the window that it last had payloads in. */
  lastWindow = -1;
  #snapshot: WindowSnapshot = idleSnapshot;
  /** The open or sealing window. */
  #window: Tally | undefined;
  #pending: Tally | undefined;

  constructor(
    readonly customer: string,
    readonly content: string,
  ) {
    this.highSeed = hash32(content, hash32(customer, highSeed));
    this.lowSeed = hash32(content, hash32(customer, lowSeed));
  }

  get state(): WindowState {
    return this.#snapshot.value;
  }

  /** The open or sealing window as of the last `deliver`. */
  get window(): Tally | undefined {
    return this.#window;
  }

  /** What will be sent to the machine at the next `deliver`; undefined when nothing. */
  get pending(): Tally | undefined {
    return this.#pending;
  }

  /** Payloads of the open or sealing window, delivered or not. */
  get payloads(): number {
    return (this.#window?.payloads ?? 0) + (this.#pending?.payloads ?? 0);
  }

  /** Starts to collect payloads for the machine, since one event for many costs far less. */
  collect(): Tally {
    this.#pending = new Tally();
    return this.#pending;
  }

  /** True when a payload's bytes can be added and the window's sums still fit int64. */
  fits(pending: Tally, cdn: number, p2p: number): boolean {
    return (this.window ?? emptyTally).fits(pending, cdn, p2p);
  }

  /** Sends the collected payloads to the machine. */
  deliver(): void {
    const tally = this.#pending;
    if (tally === undefined) return;
    this.#pending = undefined;
    if (this.#take(windowEvents.payloads) === "openWindow") this.#window = tally;
    else this.#window?.merge(tally);
  }

  /** Puts a window back that was open at a checkpoint. */
  reopen(tally: Tally): void {
    this.#take(windowEvents.payloads);
    this.#window = tally;
  }

  /** Seals the window; its event, or undefined when it holds repeated payloads only. */
  seal(bounds: WindowBounds): WindowSealed | undefined {
    const tally = this.#window ?? emptyTally;
    const { boundary, emptyBoundary } = windowEvents;
    if (this.#take(tally.payloads > 0 ? boundary : emptyBoundary) === "forgetWindow") {
      this.#window = undefined;
      return undefined;
    }
    const data = {
      windowStart: bounds.windowStart,
      windowEnd: bounds.windowEnd,
      ...tally.numbers(),
      tokens: encodeDigests(tally.tokens),
    };
    return {
      type: "WindowSealed",
      version: 1,
      customer: this.customer,
      content: this.content,
      data,
    };
  }

  /** The commit that holds the event of the sealing window has happened. */
  committed(): void {
    this.#take(windowEvents.committed);
    this.#window = undefined;
  }

  /** The machine takes the event; what is to be done with the window. */
  #take(event: WindowEvent): WindowAction {
    const { snapshot, action } = step(this.#snapshot, event);
    this.#snapshot = snapshot;
    return action;
  }
}

/** Start and end of a window as its events tell them, ISO 8601 UTC. */
interface WindowBounds {
  readonly windowStart: string;
  readonly windowEnd: string;
}

export function boundsOf(windowIndex: number, windowMs: number): WindowBounds {
  return {
    windowStart: new Date(windowStartMs(windowIndex, windowMs)).toISOString(),
    windowEnd: new Date(windowEndMs(windowIndex, windowMs)).toISOString(),
  };
}

/** Sends what these actors have collected to their machines, and empties the list. */
export function* delivering(actors: WindowActor[]): Generator<undefined, void> {
  for (let actor = actors.pop(); actor !== undefined; actor = actors.pop()) {
    actor.deliver();
    yield;
  }
}
