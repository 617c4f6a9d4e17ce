/**
 * The simulation (`test/simulation`) proves what it proves about a model of the database. Here the
 * same commands are given to the model and to Postgres, and both have to answer alike and to hold
 * the same in the end.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Commit, CommitRejected } from "../../src/actors/ports.ts";
import type { DomainEvent } from "../../src/domain/events.ts";
import type { PartitionRow } from "../simulation/partitionRow.ts";
import { arbitraryCommand, type Command, type CommitCommand } from "./conformanceCommands.ts";
import { ModelSide, PostgresSide, type Side } from "./conformanceSides.ts";
import { firstEndMs, sealed, windowMs } from "./support.ts";

const partitions = 3;
/** A new database each: a few long runs cost less than many short ones. */
const runs = 8;
const commandsMax = 200;
/** Later than anything that is done here. */
const laterMs = Date.UTC(2100, 0);

function worker(id: string) {
  return { id, host: `host-${id}`, pid: 1 };
}

/** What to commit, given what the partition holds now. */
function commitOf(command: CommitCommand, row: PartitionRow): Commit {
  const { epoch, sequence, position, steps } = command;
  const windowsEndMs = Math.max(row.sealedThroughMs, firstEndMs - windowMs);
  const windowEndMs = windowsEndMs + command.windows * windowMs;
  const events = command.events.map(({ customer, content, ...event }): DomainEvent => {
    const names = { customer: `customer-${row.partition + customer}`, content: `c-${content}` };
    return sealed({ ...names, ...event, windowEndMs });
  });
  const expectedSequence = row.sequence + sequence;
  const expectedPosition = row.position + position;
  const sealsThrough = events.length > 0 || command.sealsAnyway;
  return {
    partition: row.partition,
    epoch: row.epoch + epoch,
    owner: row.owner ?? "nobody",
    expectedSequence,
    expectedPosition,
    checkpoint: {
      streamCreated: command.streamCreated,
      sequence: expectedSequence + steps,
      messageTime: `${expectedSequence + steps}000000`,
      position: expectedPosition + events.length + command.positionError,
      sealedThroughMs: sealsThrough
        ? Math.max(windowEndMs, row.sealedThroughMs)
        : row.sealedThroughMs,
      state: { steps, nested: [{ text: command.streamCreated }] },
    },
    events,
    quarantined: command.quarantined.map(({ behind, ...one }) => ({
      ...one,
      sequence: expectedSequence + behind,
    })),
  };
}

type Answer = { readonly value: unknown } | { readonly failure: string };

async function answerOf(side: Side, command: Command, commit?: Commit): Promise<Answer> {
  try {
    return { value: await perform(side, command, commit) };
  } catch (error) {
    if (error instanceof CommitRejected) return { failure: "rejected" };
    // Only a commit may fail; that is for what no owner asks.
    if (commit === undefined) throw error;
    return { failure: "refused" };
  }
}

function perform(side: Side, command: Command, commit?: Commit): Promise<unknown> {
  if (commit !== undefined) return side.ask(({ partitions: store }) => store.commit(commit));
  switch (command.name) {
    case "advance":
      return side.advance(command.ms);
    case "project":
      return side.project(command.eventsMax);
    case "renew":
      return side.ask(({ leases }) => leases.renew(worker(command.worker), command.leaseMs));
    case "release":
      return side.ask(({ leases }) => leases.release(worker(command.worker), command.partitions));
    case "leave":
      return side.ask(({ leases }) => leases.leave(worker(command.worker)));
    case "forget":
      return side.ask(({ leases }) => leases.forget(command.workers));
    case "workers":
      return side.ask(async ({ leases }) => [...(await leases.workers())]);
    case "load":
      return side.ask(({ partitions: store }) => store.load(command.partition));
    case "markStopped": {
      const { partition, epoch, stop } = command;
      return side.ask(({ partitions: store }) => store.markStopped(partition, epoch, stop));
    }
    case "tokens":
      return side.ask(async ({ partitions: store }) => {
        const afterMs = firstEndMs + command.windows * windowMs;
        const pages = await Array.fromAsync(store.rememberedTokens(command.partition, afterMs));
        return pages.flat();
      });
    case "lastSealed":
      return side.ask(({ partitions: store }) => {
        const endMs = firstEndMs + command.windows * windowMs;
        return store.lastSealedSequence(command.partition, endMs, command.early ? 0 : laterMs);
      });
    default:
      throw new Error(`${command.name} is a commit`);
  }
}

/** Gives both sides the same commands; `met` counts what came out of the commits. */
async function compare(commands: readonly Command[], met: Map<string, number>): Promise<void> {
  await using real = await PostgresSide.with(partitions);
  const model = new ModelSide(partitions);
  const sent = new Map<number, Commit>();
  for (const drawn of commands) {
    const command = absolute(drawn, model);
    let commit: Commit | undefined;
    if (command.name === "commit") commit = commitOf(command, model.row(command.partition));
    if (command.name === "repeat") {
      commit = sent.get(command.partition);
      if (commit === undefined) continue;
    }
    const expected = await answerOf(model, command, commit);
    const found = await answerOf(real, command, commit);
    expect({ command, ...found }).toEqual({ command, ...expected });
    if (commit === undefined) continue;
    sent.set(commit.partition, commit);
    const outcome = "failure" in found ? found.failure : String(found.value);
    const kind = `${command.name}: ${outcome}`;
    met.set(kind, (met.get(kind) ?? 0) + 1);
  }
  expect(await real.state()).toEqual(await model.state());
}

function absolute(command: Command, model: ModelSide): Command {
  if (command.name !== "markStopped") return command;
  return { ...command, epoch: model.row(command.partition).epoch + command.epoch };
}

/** Two partitions seal the same actor's window, which drawn commands meet too seldom. */
function takingAnothersName(): Command[] {
  const event = { content: 0, cdn: 1n, p2p: 0n, sessions: 1, lastSequence: 1, tokens: "" };
  const commit = (partition: number, customer: number): Command => ({
    ...{ name: "commit", partition, epoch: 0, sequence: 0, position: 0, steps: 1 },
    ...{ positionError: 0, windows: 1, sealsAnyway: false, streamCreated: "" },
    events: [{ ...event, customer }],
    quarantined: [],
  });
  return [{ name: "renew", worker: "a", leaseMs: 2_100_000 }, commit(0, 1), commit(1, 0)];
}

test("the simulation's model of the database does what Postgres does", async () => {
  const met = new Map<string, number>();
  const commands = fc.array(arbitraryCommand(partitions), {
    minLength: 1,
    maxLength: commandsMax,
    size: "max",
  });
  await fc.assert(
    fc.asyncProperty(commands, (drawn) => compare(drawn, met)),
    { numRuns: runs, examples: [[takingAnothersName()]], interruptAfterTimeLimit: 60_000 },
  );
  // Commands that meet nothing prove nothing.
  const outcomes = ["committed", "fenced", "conflict", "rejected", "refused"];
  expect([...met.keys()]).toEqual(
    expect.arrayContaining([...outcomes.map((one) => `commit: ${one}`), "repeat: conflict"]),
  );
}, 90_000);
