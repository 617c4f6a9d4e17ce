/** How often the simulation met what it is there for: a run that meets nothing proves nothing. */
export class Coverage {
  readonly counts = new Map<string, number>();

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  add(other: Coverage): void {
    for (const [what, count] of other.counts) {
      this.counts.set(what, (this.counts.get(what) ?? 0) + count);
    }
  }
}
