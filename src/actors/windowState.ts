/** The open window of an actor, to and from the form in which a checkpoint keeps it. */
import { ByteSum } from "../domain/byteSum.ts";
import { encodeDigests } from "../domain/digestCodec.ts";
import { Tally } from "../domain/tally.ts";
import type { OpenWindowState } from "./partitionState.ts";
import type { WindowActor } from "./windowActor.ts";

function saveWindow(actor: WindowActor): OpenWindowState {
  const tally = actor.window ?? new Tally();
  const { customer, content } = actor;
  return { customer, content, ...tally.numbers(), tokens: encodeDigests(tally.tokens) };
}

/** The open windows of actors; pauses after each. */
export function* savingWindows(
  actors: readonly WindowActor[],
): Generator<undefined, OpenWindowState[]> {
  const windows: OpenWindowState[] = [];
  for (const actor of actors) {
    windows.push(saveWindow(actor));
    yield;
  }
  return windows;
}

/** Without its tokens, which whoever restores it has to read for the memory of them as well. */
export function restoreTally(window: OpenWindowState): Tally {
  const tally = new Tally();
  tally.cdn = ByteSum.from(BigInt(window.cdn));
  tally.p2p = ByteSum.from(BigInt(window.p2p));
  tally.sessions = window.sessions;
  tally.payloads = window.payloads;
  tally.duplicates = window.duplicates;
  tally.firstSequence = window.firstSequence;
  tally.lastSequence = window.lastSequence;
  return tally;
}
