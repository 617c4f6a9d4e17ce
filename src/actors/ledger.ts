import type { Quarantined } from "../domain/events.ts";
import { foundMax } from "../domain/quarantineText.ts";
import type { LedgerCounts } from "./partitionState.ts";

/** Of one message no more characters are kept than this, and a little of every further payload. */
const messageCharsMax = 262_144;
const furtherCharsMax = 64;
/** What waits for a commit is bounded: one is due when there is more. */
const charsToStoreMax = 8 * 1_048_576;
const rowsToStoreMax = 10_000;

/** Accounts for every payload read (invariant I9), and keeps what is to be quarantined. */
export class Ledger {
  read = 0;
  sealed = 0;
  duplicates = 0;
  #quarantined = 0;
  #toStore: Quarantined[] = [];
  #charsToStore = 0;
  /** The message that was quarantined last, and how many characters of it are kept. */
  #lastSequence = 0;
  #messageChars = 0;

  /** What was quarantined since the last commit. */
  get toStore(): readonly Quarantined[] {
    return this.#toStore;
  }

  get isFull(): boolean {
    return this.#toStore.length > rowsToStoreMax || this.#charsToStore > charsToStoreMax;
  }

  get counts(): LedgerCounts {
    const { read, sealed, duplicates } = this;
    return { read, sealed, duplicates, quarantined: this.#quarantined };
  }

  restore(counts: LedgerCounts): void {
    this.read = counts.read;
    this.sealed = counts.sealed;
    this.duplicates = counts.duplicates;
    this.#quarantined = counts.quarantined;
  }

  /** @param found what it is, as text: its beginning, up to so many characters. */
  quarantine(
    sequence: number,
    index: number,
    reason: string,
    found: (charsMax: number) => string,
  ): void {
    this.#quarantined++;
    if (sequence !== this.#lastSequence) this.#messageChars = 0;
    this.#lastSequence = sequence;
    const isLong = this.#messageChars > messageCharsMax;
    const kept = found(isLong ? furtherCharsMax : foundMax);
    this.#messageChars += kept.length;
    this.#charsToStore += kept.length;
    this.#toStore.push({ sequence, index, reason, found: kept });
  }

  stored(): void {
    this.#toStore = [];
    this.#charsToStore = 0;
  }

  /** @throws when a payload that was read is nowhere, or in two places. */
  assertConserved(open: number): void {
    const { read, sealed, duplicates } = this;
    if (sealed + open + duplicates + this.#quarantined === read) return;
    throw new Error(
      `conservation broken: ${read} payloads read, but ${sealed} sealed + ${open} open + ` +
        `${duplicates} duplicates + ${this.#quarantined} quarantined`,
    );
  }
}
