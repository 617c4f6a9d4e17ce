/**
 * The life of a window actor, one for each (customer, content):
 *
 *             PAYLOAD             BOUNDARY [holds payloads]            COMMITTED
 *   idle ───────────────▶ open ───────────────────────────▶ sealing ─────────────▶ idle
 *                         │                                    its WindowSealed
 *                         └─── BOUNDARY [else] ──▶ idle        waits for the commit
 *
 * Only events move it, never a timer: time is what the stream says. The machine decides and the
 * actor does: what an event leads to is a state and the name of what to do with the window, which
 * the actor keeps. So the machine has three snapshots, shared by a hundred thousand actors, and
 * each of its steps is computed by xstate once: see docs/decisions.
 */
import { initialTransition, type SnapshotFrom, setup, transition } from "xstate";

export type WindowEvent =
  /** The first payload of the current window has come. */
  | { readonly type: "PAYLOAD" }
  /** Stream time has passed the window's end. */
  | { readonly type: "BOUNDARY"; readonly holdsPayloads: boolean }
  /** The commit that holds the window's event has happened. */
  | { readonly type: "COMMITTED" };

/** The events there are; a step is remembered for each of these objects. */
export const windowEvents = {
  payload: { type: "PAYLOAD" },
  boundary: { type: "BOUNDARY", holdsPayloads: true },
  emptyBoundary: { type: "BOUNDARY", holdsPayloads: false },
  committed: { type: "COMMITTED" },
} as const satisfies Record<string, WindowEvent>;

const windowMachine = setup({
  types: { events: {} as WindowEvent },
  actions: {
    /** It begins the window, to which later ones are added. */
    openWindow: () => {},
    /** It becomes a WindowSealed, and is kept until that is committed. */
    sealWindow: () => {},
    forgetWindow: () => {},
  },
  guards: { holdsPayloads: ({ event }) => event.type === "BOUNDARY" && event.holdsPayloads },
}).createMachine({
  id: "window",
  initial: "idle",
  states: {
    idle: { on: { PAYLOAD: { target: "open", actions: "openWindow" } } },
    open: {
      on: {
        BOUNDARY: [
          { guard: "holdsPayloads", target: "sealing", actions: "sealWindow" },
          { target: "idle", actions: "forgetWindow" },
        ],
      },
    },
    sealing: { on: { COMMITTED: { target: "idle", actions: "forgetWindow" } } },
  },
});

export type WindowSnapshot = SnapshotFrom<typeof windowMachine>;
export type WindowState = WindowSnapshot["value"];
const windowActions = ["openWindow", "sealWindow", "forgetWindow"] as const;
export type WindowAction = (typeof windowActions)[number];

/** What an event leads to. */
interface WindowStep {
  readonly snapshot: WindowSnapshot;
  /** What the actor has to do with its window. */
  readonly action: WindowAction;
}

/** The snapshot that every window actor starts from. */
export const [idleSnapshot] = initialTransition(windowMachine);

/** The one snapshot of each state, so that steps are remembered by it. */
const snapshots = new Map<WindowState, WindowSnapshot>([[idleSnapshot.value, idleSnapshot]]);
/** The steps computed so far: no more than there are states times events. */
const steps = new Map<WindowSnapshot, Map<WindowEvent, WindowStep>>();

/** The next step. An event that the state does not know breaks an invariant, and throws. */
export function step(snapshot: WindowSnapshot, event: WindowEvent): WindowStep {
  return steps.get(snapshot)?.get(event) ?? firstStep(snapshot, event);
}

function firstStep(snapshot: WindowSnapshot, event: WindowEvent): WindowStep {
  const [next, [named]] = transition(windowMachine, snapshot, event);
  const action = windowActions.find((name) => name === named?.type);
  if (action === undefined) {
    throw new Error(`a window actor that is ${snapshot.value} got ${event.type}`);
  }
  const known = snapshots.get(next.value) ?? next;
  snapshots.set(known.value, known);
  const found = { snapshot: known, action };
  steps.set(snapshot, (steps.get(snapshot) ?? new Map()).set(event, found));
  return found;
}
