import { describe, expect, test } from "bun:test";
import {
  idleSnapshot,
  step,
  type WindowEvent,
  type WindowSnapshot,
  windowEvents,
} from "../../src/domain/windowMachine.ts";

const { payload, boundary, emptyBoundary, committed } = windowEvents;

function after(...events: readonly WindowEvent[]): WindowSnapshot {
  return events.reduce((snapshot, event) => step(snapshot, event).snapshot, idleSnapshot);
}

describe("the window machine", () => {
  test.each([
    [[], payload, "open", "openWindow"],
    [[payload], boundary, "sealing", "sealWindow"],
    [[payload], emptyBoundary, "idle", "forgetWindow"],
    [[payload, boundary], committed, "idle", "forgetWindow"],
  ] as const)("after %j takes %j", (before, event, state, action) => {
    const next = step(after(...before), event);
    expect<string>(next.snapshot.value).toBe(state);
    expect<string>(next.action).toBe(action);
  });

  test.each([
    [[], boundary],
    [[], emptyBoundary],
    [[], committed],
    [[payload], payload],
    [[payload], committed],
    [[payload, boundary], payload],
    [[payload, boundary], boundary],
  ] as const)("after %j refuses %j, every time", (before, event) => {
    for (let i = 0; i < 2; i++) expect(() => step(after(...before), event)).toThrow("window actor");
  });

  test("has one snapshot of each state, whatever led there", () => {
    expect(after(payload, boundary, committed)).toBe(idleSnapshot);
    expect(after(payload, emptyBoundary)).toBe(idleSnapshot);
  });
});
