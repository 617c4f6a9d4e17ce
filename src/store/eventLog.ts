/** The event log: how a partition's owner appends to it, together with its checkpoint. */
import { type Commit, type CommitOutcome, CommitRejected, type Turns } from "../actors/ports.ts";
import type { DomainEvent, Quarantined } from "../domain/events.ts";
import { storableText } from "../domain/quarantineText.ts";
import { errorMessage } from "../log.ts";
import type { Database } from "./database.ts";
import type { HeavyStatements } from "./heavyStatements.ts";

/**
 * Characters of `data` with which a commit keeps a core busy for more than a moment: some 400
 * events, or a few with many new tokens.
 */
const largeLength = 100_000;
/**
 * What a commit may take longer for each event, and for each character of events, state and
 * quarantine: many times what they take. One that is given up too early is done again, with the
 * same outcome.
 */
const eventDeadlineMs = 0.5;
const characterDeadlineMs = 1e-4;

/**
 * Writes checkpoint, events and quarantine in one statement, or nothing.
 * @param turns in which thousands of events become text.
 * @param heavy where a large one waits for its turn.
 * @param deadlineMs after which the outcome of a small one counts as unknown.
 * @throws CommitRejected when an event breaks a constraint of the log; else the outcome is unknown.
 */
export async function commitPartition(
  database: Database,
  commit: Commit,
  turns: Turns,
  heavy: HeavyStatements,
  deadlineMs: number,
): Promise<CommitOutcome> {
  const { checkpoint, events } = commit;
  if (checkpoint.position !== commit.expectedPosition + events.length) {
    throw new Error(
      `commit of partition ${commit.partition}: ${events.length} events after position ` +
        `${commit.expectedPosition} do not end at position ${checkpoint.position}`,
    );
  }
  if (checkpoint.sequence < commit.expectedSequence) {
    throw new Error(
      `commit of partition ${commit.partition}: sequence ${checkpoint.sequence} is before ` +
        `${commit.expectedSequence}`,
    );
  }
  const columns = await turns.runNext(columnsOf(events));
  const state = checkpoint.state === undefined ? null : JSON.stringify(checkpoint.state);
  const quarantined = JSON.stringify(commit.quarantined.map(storable));
  const characters = columns.data.length + (state?.length ?? 0) + quarantined.length;
  const longestMs = deadlineMs + events.length * eventDeadlineMs + characters * characterDeadlineMs;
  const run = () => commitStatement(database, commit, { columns, state, quarantined }, longestMs);
  try {
    const [row] = await (columns.data.length >= largeLength ? heavy.inTurn(run) : run());
    if (row === undefined) throw new Error("commit_partition returned nothing");
    return row.outcome;
  } catch (error) {
    throw isRejection(error) ? new CommitRejected(errorMessage(error), { cause: error }) : error;
  }
}

/** Where Postgres says that a limit is reached which is not the commit's own, and passes. */
const passingLimits: readonly unknown[] = ["GetNewTransactionId", "GetNewMultiXactId"];

/**
 * Bad data, a broken constraint, or more than Postgres can hold (SQLSTATE classes 22, 23 and 54):
 * the same again would fail again.
 */
export function isRejection(error: unknown): boolean {
  if (!(error instanceof Error && "code" in error)) return false;
  if ("routine" in error && passingLimits.includes(error.routine)) return false;
  return /^(2[23]|54)...$/.test(String(error.code));
}

/**
 * What `commit_partition` takes the events as: lines of text, since Postgres splits these fastest.
 */
interface EventColumns {
  /** The events of a commit are of one kind. */
  readonly type: string;
  readonly version: number;
  readonly customers: string;
  readonly contents: string;
  readonly data: string;
}

/** Pauses after each event. */
function* columnsOf(events: readonly DomainEvent[]): Generator<undefined, EventColumns> {
  const { type = "", version = 0 } = events[0] ?? {};
  const customers: string[] = [];
  const contents: string[] = [];
  const data: string[] = [];
  for (const event of events) {
    if (event.type !== type || event.version !== version) {
      throw new Error(`a commit of ${type} ${version} holds ${event.type} ${event.version}`);
    }
    customers.push(event.customer);
    contents.push(event.content);
    data.push(JSON.stringify(event.data));
    yield;
  }
  return {
    type,
    version,
    customers: customers.join("\n"),
    contents: contents.join("\n"),
    data: data.join("\n"),
  };
}

interface CommitTexts {
  readonly columns: EventColumns;
  readonly state: string | null;
  readonly quarantined: string;
}

/** See the function `commit_partition` for what is checked, and in which order. */
function commitStatement(
  database: Database,
  commit: Commit,
  { columns, state, quarantined }: CommitTexts,
  deadlineMs: number,
) {
  const { checkpoint } = commit;
  // Before the first sealed window there is no time to remember.
  const sealedThrough =
    checkpoint.sealedThroughMs > 0 ? new Date(checkpoint.sealedThroughMs) : null;
  return database.run(
    (sql) => sql<{ outcome: CommitOutcome }[]>`
      select commit_partition(
        p_partition => ${commit.partition},
        p_epoch => ${commit.epoch},
        p_owner => ${commit.owner},
        p_expected_sequence => ${commit.expectedSequence},
        p_expected_position => ${commit.expectedPosition},
        p_stream_created => ${checkpoint.streamCreated},
        p_sequence => ${checkpoint.sequence},
        p_message_time => ${checkpoint.messageTime},
        p_sealed_through => ${sealedThrough},
        p_state => ${state}::text::jsonb,
        p_type => ${columns.type},
        p_version => ${columns.version},
        p_events => ${commit.events.length},
        p_customers => ${columns.customers}::text,
        p_contents => ${columns.contents}::text,
        p_data => ${columns.data}::text,
        p_quarantined => ${quarantined}::text::jsonb
      ) as outcome
    `,
    deadlineMs,
  );
}

/** Postgres stores neither NUL nor lone surrogates, and quarantine must take whatever comes. */
function storable(quarantined: Quarantined): Quarantined {
  const { reason, found } = quarantined;
  return { ...quarantined, reason: storableText(reason), found: storableText(found) };
}
