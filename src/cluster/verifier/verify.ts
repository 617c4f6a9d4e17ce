/**
 * Compares what devices were told with what the streams hold, and that with what the tables say.
 * It shares no code with the product and no assumption but the contract: the form of a message in
 * a stream, the tables, and the rules.
 */
import { type ExpectedRow, type Folded, fold } from "./fold.ts";
import type { PostedPayload } from "./posted.ts";
import { readStreams, type StreamContent } from "./streams.ts";
import { type DatabaseContent, readDatabase } from "./tables.ts";

export interface Verdict {
  /** One sentence for each difference; none when everything agrees. */
  readonly differences: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}

interface VerifierInput {
  readonly natsUrl: string;
  readonly databaseUrl: string;
  readonly partitions: number;
  readonly windowMs: number;
  readonly posted: readonly PostedPayload[];
}

/** To be called when every payload posted is in a sealed window. */
export async function verify(input: VerifierInput): Promise<Verdict> {
  const streams = await readStreams(input.natsUrl, input.partitions);
  const database = await readDatabase(input.databaseUrl);
  return judge(input.posted, input.windowMs, streams, database);
}

/** The comparison alone, without I/O. */
export function judge(
  posted: readonly PostedPayload[],
  windowMs: number,
  streams: StreamContent,
  database: DatabaseContent,
): Verdict {
  const folded = fold(streams.messages, windowMs);
  const differences = [
    ...streams.oddities,
    ...comparePayloads(posted, folded),
    ...compareReceipts(posted, folded),
    ...compareTotals(posted, folded, database),
    ...compareEvents(folded.rows, database),
    ...compareTables(folded.rows, database),
    ...comparePartitions(streams, database),
    ...database.disorder,
  ];
  const fate = (name: PostedPayload["fate"]) => posted.filter((one) => one.fate === name);
  const unanswered = fate("unanswered");
  const counts = {
    "payloads posted": posted.length,
    acknowledged: fate("acknowledged").length,
    "counted of these": fate("acknowledged").filter(({ id }) => folded.counted.has(id)).length,
    "without an answer": unanswered.length,
    "of these counted, once": unanswered.filter(({ id }) => folded.counted.has(id)).length,
    refused: fate("refused").length,
    "copies in the streams": folded.payloadsStored,
    "repeats dropped": folded.payloadsStored - sum([...folded.counted.values()]),
    "repeats later than two windows": folded.lateRepeats.size,
    "events, rows of stats, rows of sessions": database.events.length,
  };
  return { differences, counts };
}

/** Acknowledged: once. Unanswered: at most once. Refused: never. And each as it was sent. */
function* comparePayloads(posted: readonly PostedPayload[], folded: Folded): Generator<string> {
  const known = new Map(posted.map((payload) => [payload.id, payload]));
  for (const { id, fate, customer, content } of posted) {
    const times = folded.counted.get(id) ?? 0;
    // Under a key that had been forgotten a repeat is a new payload: that is the contract.
    const allowed = folded.lateRepeats.has(id) ? Math.max(times, 1) : 1;
    const wrong = fate === "acknowledged" ? times < 1 || times > allowed : times > allowed;
    if (wrong || (fate === "refused" && times > 0)) {
      yield `payload ${id} (${customer}, ${content}) was ${fate} and counts ${times} times`;
    }
  }
  for (const [id, copies] of folded.copies) {
    const sent = known.get(id);
    for (const copy of copies) {
      if (sent === undefined) yield `payload ${id} at ${copy.receipt} was never posted`;
      else if (
        sent.token !== copy.token ||
        sent.customer !== copy.customer ||
        sent.content !== copy.content ||
        sent.p2p !== copy.p2p ||
        sent.cdn !== copy.cdn ||
        sent.sessionDuration !== copy.sessionDuration ||
        sent.keyed !== (copy.key !== undefined)
      ) {
        yield `payload ${id} at ${copy.receipt} is not as it was sent`;
      }
    }
  }
}

/** A receipt leads to a copy of the payload it was given for. */
function* compareReceipts(posted: readonly PostedPayload[], folded: Folded): Generator<string> {
  for (const { id, receipts } of posted) {
    const places = new Set((folded.copies.get(id) ?? []).map(({ receipt }) => receipt));
    for (const receipt of receipts) {
      if (!places.has(receipt)) yield `payload ${id} is not at its receipt ${receipt}`;
    }
  }
}

/** The client's own books: what was acknowledged is in the tables, and no more than was sent. */
function* compareTotals(
  posted: readonly PostedPayload[],
  folded: Folded,
  database: DatabaseContent,
): Generator<string> {
  const found = new Map<string, bigint>();
  for (const { name, cdn, p2p } of database.tables) {
    const actor = JSON.stringify(JSON.parse(name).slice(1));
    found.set(actor, (found.get(actor) ?? 0n) + BigInt(cdn ?? 0) + BigInt(p2p ?? 0));
  }
  const actors = Map.groupBy(posted, (one) => JSON.stringify([one.customer, one.content]));
  for (const [actor, payloads] of actors) {
    if (payloads.some(({ id }) => folded.lateRepeats.has(id))) continue;
    let least = 0n;
    let most = 0n;
    for (const { fate, cdn, p2p } of payloads) {
      const bytes = BigInt(cdn) + BigInt(p2p);
      if (fate === "acknowledged") least += bytes;
      if (fate !== "refused") most += bytes;
    }
    const total = found.get(actor) ?? 0n;
    if (total >= least && total <= most) continue;
    yield `${actor}: ${total} bytes in stats, but ${least} to ${most} were sent`;
  }
}

function* compareEvents(
  expected: ReadonlyMap<string, ExpectedRow>,
  { events }: DatabaseContent,
): Generator<string> {
  const found = new Map(events.map((event) => [event.name, event]));
  for (const [name, row] of expected) {
    if (row.payloads === 0) continue;
    const event = found.get(name);
    found.delete(name);
    if (event === undefined) {
      yield `no event for ${name}: ${describe(row)}`;
      continue;
    }
    for (const column of Object.keys(row)) {
      const [a, b] = [read(row, column), read(event, column)];
      if (a !== b) yield `event ${name}: ${column} is ${b}, the streams say ${a}`;
    }
  }
  for (const name of found.keys()) yield `the event ${name} is of no payload`;
}

function* compareTables(
  expected: ReadonlyMap<string, ExpectedRow>,
  { tables }: DatabaseContent,
): Generator<string> {
  const found = new Map(tables.map((row) => [row.name, row]));
  for (const [name, row] of expected) {
    if (row.payloads === 0) continue;
    const table = found.get(name);
    found.delete(name);
    for (const column of ["cdn", "p2p", "sessions"]) {
      const [a, b] = [read(row, column), read(table ?? {}, column)];
      if (a !== b) yield `row ${name}: ${column} is ${b}, the streams say ${a}`;
    }
  }
  for (const name of found.keys()) yield `the row ${name} is of no payload`;
}

/** Every partition runs, has not read more than there is, and accounts for all it has read. */
function* comparePartitions(streams: StreamContent, database: DatabaseContent): Generator<string> {
  for (const row of database.partitions) {
    const { partition, sequence, stopped, owned, read, sealed, duplicates, open } = row;
    const label = `partition ${partition}`;
    if (stopped !== null) yield `${label} is stopped: ${stopped}`;
    if (!owned) yield `${label} has no owner`;
    const messages = streams.messages.filter((message) => message.partition === partition);
    const lastPayloads = messages.at(-1)?.sequence ?? 0;
    if (sequence < lastPayloads) {
      yield `${label} was read to ${sequence}, its last payloads are at ${lastPayloads}`;
    }
    const stored = sum(messages.map(({ payloads }) => payloads.length));
    if (read !== stored) yield `${label} has read ${read} payloads, its stream holds ${stored}`;
    if (sealed + duplicates + row.quarantined + open !== read) {
      yield `${label} does not account for all it has read: ${JSON.stringify(row)}`;
    }
  }
  if (database.quarantined > 0) yield `${database.quarantined} payloads are in quarantine`;
}

function describe(row: ExpectedRow): string {
  return `${row.payloads} payloads at sequences ${row.firstSequence} to ${row.lastSequence}`;
}

function read(row: object, column: string): string {
  const found = Object.entries(row).find(([name]) => name === column);
  return String(found?.[1] ?? "missing");
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
