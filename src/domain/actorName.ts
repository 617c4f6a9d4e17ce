/** What an actor is for: one content of one customer. */
export interface ActorName {
  readonly customer: string;
  readonly content: string;
}

/** The order of actors, in events and in lists: by code units, which is the same everywhere. */
export function byName(a: ActorName, b: ActorName): number {
  return compare(a.customer, b.customer) || compare(a.content, b.content);
}

/** A text that no other actor has. */
export function nameKey({ customer, content }: ActorName): string {
  return JSON.stringify([customer, content]);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
