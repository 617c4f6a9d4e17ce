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

/** One (customer, content): its name, its xstate machine, and its window. */
export class WindowActor {
  /** Seeds of the digests of tokens, so that a token in two contents makes two digests. */
  readonly highSeed: number;
  readonly lowSeed: number;
  /** Index of the window that it last had payloads in. */
  lastWindow = -1;
  #snapshot: WindowSnapshot = idleSnapshot;
  /** The open or sealing window. */
  #window: Tally | undefined;

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

  /** The open or sealing window; undefined while it is idle. */
  get window(): Tally | undefined {
    return this.#window;
  }

  /** Begins a window, or goes on with one that was open at a checkpoint. */
  open(windowIndex: number, tally = new Tally()): Tally {
    this.#take(windowEvents.payload);
    this.lastWindow = windowIndex;
    this.#window = tally;
    return tally;
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
