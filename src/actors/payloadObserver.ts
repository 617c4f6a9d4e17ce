import type { WindowActor } from "./windowActor.ts";

/**
 * Told what becomes of each payload that a partition applies, by its place in the message. Owners
 * have none; replays that look at single payloads do.
 */
export interface PayloadObserver {
  counted(index: number, actor: WindowActor, startsSession: boolean): void;
  duplicate(index: number, actor: WindowActor): void;
}
