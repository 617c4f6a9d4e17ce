/** What must hold after every run, whatever has happened in it. */
import { readPartitionState } from "../../src/actors/partitionState.ts";
import type { Rules } from "../../src/domain/rules.ts";
import { naiveRows } from "../support/naiveModel.ts";
import { run } from "../support/streams.ts";
import type { Audit } from "./audit.ts";
import type { Broker, Incarnation, StoredMessage, Stream } from "./broker.ts";
import type { Coverage } from "./coverage.ts";
import type { Database } from "./database.ts";
import type { SentPayload } from "./devices.ts";
import { checkDigits } from "./digits.ts";
import type { PartitionRow } from "./partitionRow.ts";
import type { ProjectorModel } from "./projectorModel.ts";
import type { Scenario } from "./scenario.ts";

interface Finished {
  readonly scenario: Scenario;
  readonly audit: Audit;
  readonly coverage: Coverage;
  readonly database: Database;
  readonly broker: Broker;
  readonly sent: readonly SentPayload[];
  readonly projector: ProjectorModel;
}

/** True when a partition has sealed all payloads, or is stopped as it should be. */
export function isFinal(stream: Stream, row: PartitionRow, windowMs: number): boolean {
  if (haltReason(stream, row) !== undefined) return row.stopped !== undefined;
  if (row.stopped !== undefined) return false;
  const messages = stream.current.messages;
  const last = messages.findLastIndex(({ meaning }) => holds(meaning) > 0);
  const timeMs = Math.max(0, ...messages.slice(0, last + 1).map((message) => message.timeMs));
  return timeMs < row.sealedThroughMs || (last < 0 && windowMs > 0);
}

export function checkRun(finished: Finished): void {
  const { scenario, audit, coverage, database, broker } = finished;
  for (const { partition, reason } of audit.halts) {
    if (broker.stream(partition).damage !== undefined) continue;
    audit.violated(`partition ${partition} halted without a reason: ${reason}`);
  }
  for (const row of database.rows) {
    const stream = broker.stream(row.partition);
    const wrong = (what: string) => audit.violated(`partition ${row.partition}: ${what}`);
    const expected = haltReason(stream, row);
    if (expected !== undefined) coverage.count(`halted for good: ${stream.damage}`);
    // What fails for a while may be noted too, until the next commit.
    const stopped = row.stopped?.startsWith("simulated") ? undefined : row.stopped;
    if (expected === undefined ? stopped !== undefined : !expected.test(stopped ?? "")) {
      wrong(`stopped because of "${row.stopped}" instead of ${expected}`);
    }
    const incarnation = incarnationOf(stream, row);
    if (incarnation === undefined) {
      wrong("the checkpoint follows no message that was ever stored");
      continue;
    }
    checkRows(finished, row, incarnation, wrong);
    checkEvents(row, incarnation, rulesOf(scenario), wrong);
    checkLedger(row, incarnation, wrong);
    if (stream.damage !== undefined) continue;
    const sent = finished.sent.filter(({ actor }) => actor.partition === row.partition);
    checkDigits(sent, incarnation.messages, row, scenario.windowMs, wrong);
  }
}

function rulesOf({ windowMs, memoryWindows }: Scenario): Rules {
  return { windowMs, partitions: 1, sessionMemoryMs: memoryWindows * windowMs };
}

/** Payloads of a message, and whatever else in it has to be accounted for. */
function holds({ payloads, poison }: StoredMessage["meaning"]): number {
  return payloads.length + poison;
}

/** What the stream held when the last message of the checkpoint was read from it. */
function incarnationOf(stream: Stream, row: PartitionRow): Incarnation | undefined {
  return stream.incarnations.findLast(({ created, messages }) => {
    if (row.streamCreated !== "" && row.streamCreated !== created) return false;
    return row.sequence === 0 || messages[row.sequence - 1]?.time === row.messageTime;
  });
}

/** Why a partition must not go on; undefined when its stream continues its checkpoint. */
function haltReason(stream: Stream, row: PartitionRow): RegExp | undefined {
  const { created, firstSequence, lastSequence } = stream.state;
  if (row.streamCreated !== "" && row.streamCreated !== created) return /made anew/;
  // When it was looked at last, the stream may have been shorter than the checkpoint, or not.
  if (row.sequence > lastSequence) return /restored from an older copy/;
  if (firstSequence > row.sequence + 1) return /dropped before they were read/;
  if (incarnationOf(stream, row) === stream.current) return undefined;
  return /restored from an older copy/;
}

/** The sealed rows are those of the naive model, and so are the projected ones (I5, I7). */
function checkRows(
  { scenario, projector }: Finished,
  row: PartitionRow,
  { messages }: Incarnation,
  wrong: (what: string) => void,
): void {
  const naive = messages.map(({ timeMs, meaning }) => ({ timeMs, ...meaning }));
  const all = naiveRows(naive, scenario.windowMs, scenario.memoryWindows);
  const sealed = [...all].filter(([name]) => endOf(name) <= row.sealedThroughMs);
  const expected = new Map(sealed);
  const projected = projector.rowsOf(row.partition);
  for (const name of new Set([...expected.keys(), ...projected.keys()])) {
    const [want, got] = [expected.get(name), projected.get(name)];
    if (!Bun.deepEquals(want, got)) wrong(`${name} is ${show(got)} instead of ${show(want)}`);
  }
}

function endOf(name: string): number {
  return Number(name.slice(1, name.indexOf(",")));
}

function show(row: unknown): string {
  return JSON.stringify(row, (_, value) => (typeof value === "bigint" ? String(value) : value));
}

/** The events are, bit for bit, those of one reader that nothing ever happened to (I4). */
function checkEvents(
  row: PartitionRow,
  { messages }: Incarnation,
  rules: Rules,
  wrong: (what: string) => void,
): void {
  const undisturbed = run(messages, rules).events.filter(
    ({ data }) => Date.parse(data.windowEnd) <= row.sealedThroughMs,
  );
  const events = row.events.map(({ event }) => event);
  for (let i = 0; i < Math.max(events.length, undisturbed.length); i++) {
    const [want, got] = [JSON.stringify(undisturbed[i]), JSON.stringify(events[i])];
    if (want === got) continue;
    wrong(`event ${i + 1} is ${got} instead of ${want}`);
    return;
  }
}

/** Nothing that was read is missing, and nothing is in two places (I9). */
function checkLedger(
  row: PartitionRow,
  { messages }: Incarnation,
  wrong: (what: string) => void,
): void {
  if (row.state === undefined) return;
  const { ledger, windows, timeMs } = readPartitionState(JSON.parse(row.state));
  const times = messages.slice(0, row.sequence).map((message) => message.timeMs);
  if (timeMs !== Math.max(0, ...times)) wrong(`stream time is ${timeMs}`);
  const read = messages.slice(0, row.sequence).map(({ meaning }) => meaning);
  const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0);
  const poison = sum(read.map((meaning) => meaning.poison));
  const sealed = sum(row.events.map(({ event }) => event.data.payloads));
  const open = sum(windows.map(({ payloads }) => payloads));
  const expected = { read: sum(read.map(holds)), sealed, quarantined: poison };
  const { duplicates, ...rest } = ledger;
  if (!Bun.deepEquals(rest, expected)) wrong(`ledger ${show(rest)}, not ${show(expected)}`);
  if (row.quarantine.size !== poison) wrong(`${row.quarantine.size} of ${poison} in quarantine`);
  if (ledger.read !== sealed + open + duplicates + poison) wrong(`unbalanced ${show(ledger)}`);
}
