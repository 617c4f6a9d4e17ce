/** Windows and events in the form in which they are shown and compared. */
import { windowView } from "../actors/actorViews.ts";
import type { Difference } from "../actors/historyPorts.ts";
import type { OpenWindowView, RecordedEvent } from "../actors/readPorts.ts";
import type { WindowActor } from "../actors/windowActor.ts";
import type { DomainEvent, WindowSealedData } from "../domain/events.ts";
import { isObject } from "../domain/json.ts";
import { dependsOnMemory } from "./memories.ts";

/** The open window of an actor; undefined when it has none in the window with that index. */
export function openWindow(
  actor: WindowActor | undefined,
  windowIndex: number,
  windowMs: number,
): OpenWindowView | undefined {
  return actor?.lastWindow === windowIndex ? windowView(actor, windowMs) : undefined;
}

/** A sealed window without its digests of tokens. */
export function sealedWindow({ data }: DomainEvent): OpenWindowView {
  return withoutTokens(data);
}

/** The window that an event of the log says; undefined when it cannot be read. */
export function recordedWindow({ data }: RecordedEvent): OpenWindowView | undefined {
  return isWindow(data) ? withoutTokens(data) : undefined;
}

function withoutTokens({ tokens: _, ...view }: WindowSealedData): OpenWindowView {
  return view;
}

function isWindow(data: unknown): data is WindowSealedData {
  return (
    isObject(data) &&
    typeof data.windowStart === "string" &&
    typeof data.cdn === "string" &&
    typeof data.p2p === "string" &&
    typeof data.sessions === "number"
  );
}

/**
 * What an event of the log holds that the replay did not give, field by field.
 * @param isMixed the memory of tokens changed within the window: what depends on it is left out.
 */
export function eventDifferences(
  recorded: RecordedEvent,
  replayed: DomainEvent,
  isMixed: boolean,
): Difference[] {
  const { type, customer, content, windowEnd } = recorded;
  // An older version that says the same is no difference.
  const version = Math.max(recorded.version, replayed.version);
  const data = isObject(recorded.data) ? recorded.data : { data: recorded.data };
  const known = { type, version, customer, content, windowEnd, ...data };
  const expected = {
    type: replayed.type,
    version: replayed.version,
    customer: replayed.customer,
    content: replayed.content,
    ...replayed.data,
  };
  const names = new Set([...Object.keys(known), ...Object.keys(expected)]);
  return [...names].flatMap((field) => {
    const [left, right] = [valueText(known, field), valueText(expected, field)];
    if (left === right || (isMixed && dependsOnMemory({ field }))) return [];
    // Digests are long and tell nobody anything.
    const hidden = field === "tokens";
    return [
      {
        what: "event" as const,
        field,
        recorded: hidden ? lengthText(left) : left,
        expected: hidden ? lengthText(right) : right,
      },
    ];
  });
}

function valueText(fields: Readonly<Record<string, unknown>>, name: string): string | null {
  const value = fields[name];
  if (value === undefined) return null;
  return typeof value === "string" ? value : JSON.stringify(value);
}

function lengthText(text: string | null): string | null {
  return text === null ? null : `${Math.floor((text.length * 3) / 32)} digests`;
}
