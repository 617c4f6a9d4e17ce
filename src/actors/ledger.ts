import type { Quarantined } from "../domain/events.ts";
import type { LedgerCounts } from "./partitionState.ts";
import { storableText } from "./quarantineText.ts";

/** Accounts for every payload read (invariant I9), and keeps what is to be quarantined. */
export class Ledger {
  read = 0;
  sealed = 0;
  duplicates = 0;
  #quarantined = 0;
  #toStore: Quarantined[] = [];

  /** What was quarantined since the last commit. */
  get toStore(): readonly Quarantined[] {
    return this.#toStore;
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

  quarantine(sequence: number, index: number, reason: string, found: string): void {
    this.#quarantined++;
    this.#toStore.push({ sequence, index, reason, found: storableText(found) });
  }

  stored(): void {
    this.#toStore = [];
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
