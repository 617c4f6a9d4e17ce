/** The commands that `modelConformance.test.ts` draws. */
import fc from "fast-check";
import type { PartitionStop } from "../../src/actors/ports.ts";

/** Relative to what the partition holds at that moment: 0 is what its owner would send. */
export interface CommitCommand {
  readonly name: "commit";
  readonly partition: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly position: number;
  /** How many sequences it goes on by. */
  readonly steps: number;
  readonly positionError: number;
  /** The window of the events, from the last sealed one on. */
  readonly windows: number;
  readonly sealsAnyway: boolean;
  readonly streamCreated: string;
  readonly events: readonly {
    readonly customer: number;
    readonly content: number;
    readonly cdn: bigint;
    readonly p2p: bigint;
    readonly sessions: number;
    readonly lastSequence: number;
    readonly tokens: string;
  }[];
  readonly quarantined: readonly {
    readonly behind: number;
    readonly index: number;
    readonly reason: string;
    readonly found: string;
  }[];
}

export type Command =
  | CommitCommand
  /** The last commit of the partition once more, as after a lost answer. */
  | { readonly name: "repeat"; readonly partition: number }
  | { readonly name: "load"; readonly partition: number }
  | {
      readonly name: "markStopped";
      readonly partition: number;
      readonly epoch: number;
      readonly stop: PartitionStop | undefined;
    }
  | { readonly name: "tokens"; readonly partition: number; readonly windows: number }
  | {
      readonly name: "lastSealed";
      readonly partition: number;
      readonly windows: number;
      /** Asks for what was sealed before anything was. */
      readonly early: boolean;
    }
  | { readonly name: "project"; readonly eventsMax: number }
  | { readonly name: "advance"; readonly ms: number }
  | { readonly name: "renew"; readonly worker: string; readonly leaseMs: number }
  | { readonly name: "release"; readonly worker: string; readonly partitions: readonly number[] }
  | { readonly name: "leave"; readonly worker: string }
  | { readonly name: "forget"; readonly workers: readonly string[] }
  | { readonly name: "workers" };

const minuteMs = 60_000;
const int64Max = 2n ** 63n - 1n;
const worker = fc.constantFrom("a", "b", "c");

/** Right most of the time, else one too few or too many. */
const mostlyRight = fc.oneof(
  { weight: 12, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.constantFrom(-1, 1) },
);

const event = fc.record({
  // Names are unique over all partitions; now and then one takes another's.
  customer: fc.oneof(
    { weight: 12, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.constant(1) },
  ),
  content: fc.nat(5),
  cdn: fc.oneof(fc.bigInt(0n, 1_000n), fc.constant(int64Max)),
  p2p: fc.bigInt(0n, 1_000n),
  sessions: fc.nat(9),
  lastSequence: fc.nat(99),
  tokens: fc.base64String({ maxLength: 8 }),
});

const quarantined = fc.record({
  behind: fc.nat(2),
  index: fc.integer({ min: -1, max: 1 }),
  reason: fc.constantFrom("odd", "cut off"),
  found: fc.string({ unit: "grapheme", maxLength: 5 }),
});

function commitTo(partition: fc.Arbitrary<number>): fc.Arbitrary<CommitCommand> {
  return fc.record({
    name: fc.constant("commit"),
    partition,
    epoch: mostlyRight,
    sequence: mostlyRight,
    position: mostlyRight,
    steps: fc.oneof(
      { weight: 12, arbitrary: fc.nat(3) },
      { weight: 1, arbitrary: fc.constant(-1) },
    ),
    positionError: fc.oneof(
      { weight: 20, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.constant(1) },
    ),
    windows: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(1, 1, 2) },
      { weight: 1, arbitrary: fc.constant(0) },
    ),
    sealsAnyway: fc.boolean(),
    streamCreated: fc.constantFrom("", "2026-01-01T00:00:00Z"),
    events: fc.oneof(
      fc.constant([]),
      fc.uniqueArray(event, { maxLength: 4, selector: ({ content }) => content }),
      fc.array(event, { maxLength: 2 }),
    ),
    quarantined: fc.oneof(fc.constant([]), fc.array(quarantined, { maxLength: 2 })),
  });
}

export function arbitraryCommand(partitions: number): fc.Arbitrary<Command> {
  const partition = fc.nat(partitions - 1);
  const windows = fc.integer({ min: -1, max: 8 });
  const one = <Name extends Command["name"], Rest>(name: Name, rest: fc.Arbitrary<Rest>) =>
    rest.map((more) => ({ name, ...more }));
  const leases: fc.Arbitrary<Command>[] = [
    // Odd multiples of five minutes less even ones: a lease never ends while a test looks on.
    one("advance", fc.record({ ms: fc.constantFrom(10 * minuteMs, 20 * minuteMs) })),
    one("renew", fc.record({ worker, leaseMs: fc.constantFrom(15 * minuteMs, 35 * minuteMs) })),
    one("renew", fc.record({ worker, leaseMs: fc.constant(35 * minuteMs) })),
    one("release", fc.record({ worker, partitions: fc.uniqueArray(partition) })),
    one("leave", fc.record({ worker })),
    one("forget", fc.record({ workers: fc.uniqueArray(worker) })),
    fc.constant({ name: "workers" }),
  ];
  const reads: fc.Arbitrary<Command>[] = [
    one("load", fc.record({ partition })),
    one("tokens", fc.record({ partition, windows })),
    one("lastSealed", fc.record({ partition, windows, early: fc.boolean() })),
  ];
  const stop = fc.option(
    fc.record({ reason: fc.constant("its stream was made anew"), isHalted: fc.boolean() }),
    { nil: undefined },
  );
  const stops: fc.Arbitrary<Command>[] = [
    one("markStopped", fc.record({ partition, epoch: mostlyRight, stop })),
    one("repeat", fc.record({ partition })),
    one("project", fc.record({ eventsMax: fc.integer({ min: 1, max: 9 }) })),
  ];
  return fc.oneof(
    { weight: 10, arbitrary: commitTo(partition) },
    { weight: 6, arbitrary: fc.oneof(...leases) },
    { weight: 3, arbitrary: fc.oneof(...reads) },
    { weight: 4, arbitrary: fc.oneof(...stops) },
  );
}
