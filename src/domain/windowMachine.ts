/**
 * The life of a window actor, one for each (customer, content):
 *
 *            PAYLOADS             BOUNDARY [holds payloads]            COMMITTED
 *   idle ───────────────▶ open ───────────────────────────▶ sealing ─────────────▶ idle
 *                         │  ▲                                 its WindowSealed
 *                PAYLOADS └──┘   BOUNDARY [else] ──▶ idle      waits for the commit
 *
 * Only events move it, never a timer: time is what the stream says. It is stepped as a pure
 * function, so that a hundred thousand actors need no more than their snapshots: see
 * docs/decisions.
 */
import { assign, createActor, type SnapshotFrom, setup } from "xstate";
import type { Tally } from "./tally.ts";

export type WindowEvent =
  /** Payloads of the current window, already reduced. The machine takes the tally over. */
  | { readonly type: "PAYLOADS"; readonly tally: Tally }
  /** Stream time has passed the window's end. */
  | { readonly type: "BOUNDARY" }
  /** The commit that holds the window's event has happened. */
  | { readonly type: "COMMITTED" };

interface WindowContext {
  /** The open or sealing window so far. */
  readonly tally: Tally | undefined;
}

const windowMachine = setup({
  types: { context: {} as WindowContext, events: {} as WindowEvent },
  actions: {
    openWindow: assign({ tally: (_, params: { tally: Tally }) => params.tally }),
    addToWindow: assign({
      tally: ({ context }, params: { tally: Tally }) => context.tally?.merge(params.tally),
    }),
    forgetWindow: assign({ tally: undefined }),
  },
  guards: { holdsPayloads: ({ context }) => (context.tally?.payloads ?? 0) > 0 },
}).createMachine({
  id: "window",
  context: { tally: undefined },
  initial: "idle",
  states: {
    idle: {
      on: {
        PAYLOADS: {
          target: "open",
          actions: { type: "openWindow", params: ({ event }) => ({ tally: event.tally }) },
        },
      },
    },
    open: {
      on: {
        PAYLOADS: {
          actions: { type: "addToWindow", params: ({ event }) => ({ tally: event.tally }) },
        },
        BOUNDARY: [
          { guard: "holdsPayloads", target: "sealing" },
          { target: "idle", actions: "forgetWindow" },
        ],
      },
    },
    sealing: { on: { COMMITTED: { target: "idle", actions: "forgetWindow" } } },
  },
});

export type WindowSnapshot = SnapshotFrom<typeof windowMachine>;
export type WindowState = "idle" | "open" | "sealing";

/**
 * What xstate wants to know of the actor that a machine runs in. Nothing here spawns, emits or
 * defers, so one inert scope serves all; `transition()` of xstate makes a new one at every call,
 * which is most of its cost.
 */
const host = createActor(windowMachine);
const scope: Parameters<typeof windowMachine.transition>[2] = {
  self: host,
  id: "window",
  sessionId: "window",
  system: host.system,
  logger: () => {},
  defer: () => {},
  emit: () => {},
  stopChild: () => {},
  actionExecutor: () => {},
};

/** The snapshot that every window actor starts from. */
export const idleSnapshot: WindowSnapshot = host.getSnapshot();

/** What COMMITTED leads to, whatever was sealed; a hundred thousand actors may share it. */
let afterCommit: WindowSnapshot | undefined;

/** The next snapshot. An event that the state does not know breaks an invariant, and throws. */
export function step(snapshot: WindowSnapshot, event: WindowEvent): WindowSnapshot {
  const commits = event.type === "COMMITTED" && snapshot.value === "sealing";
  if (commits && afterCommit !== undefined) return afterCommit;
  const next = windowMachine.transition(snapshot, event, scope);
  const changed = next.value !== snapshot.value || next.context !== snapshot.context;
  if (!changed) throw new Error(`a window actor that is ${snapshot.value} got ${event.type}`);
  if (commits) afterCommit = next;
  return next;
}
