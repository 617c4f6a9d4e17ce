/**
 * The one place of the program that knows older versions of events. Whoever reads an event asks
 * here first, and then deals with the newest version only. `event_data` is the same for SQL.
 *
 * A version that was ever written stays readable. To make a new one: raise it in `newestVersions`,
 * add the step from the one before to `steps`, extend `event_data` in its file and run that in a
 * new version of the schema, and keep an event of the new version in test/fixtures/events.
 */

/** Turns the data of one version into that of the next. It must not change what it was given. */
type UpcastStep = (data: unknown) => unknown;

interface EventVersions {
  /** The version that is written, by type. */
  readonly newest: Readonly<Record<string, number>>;
  /** Steps by type and the version that they start from: `WindowSealed.1` gives version 2. */
  readonly steps: Readonly<Record<string, UpcastStep>>;
}

export const eventVersions: EventVersions = {
  newest: { WindowSealed: 1, LossAccepted: 1 },
  steps: {},
};

/** The event was written by a newer program, or by none. */
class UnknownEventVersion extends Error {
  constructor(type: string, version: number) {
    super(
      `version ${version} of event ${type} is not known: run the program that wrote it, or a newer`,
    );
  }
}

/**
 * The data of an event as its newest version has it.
 * @throws UnknownEventVersion rather than to guess.
 */
export function upcastEventData(
  event: { readonly type: string; readonly version: number; readonly data: unknown },
  versions: EventVersions = eventVersions,
): unknown {
  const { type } = event;
  const newest = Object.hasOwn(versions.newest, type) ? versions.newest[type] : undefined;
  let { version, data } = event;
  while (version !== newest) {
    const name = `${type}.${version}`;
    const step = Object.hasOwn(versions.steps, name) ? versions.steps[name] : undefined;
    if (newest === undefined || version > newest || step === undefined) {
      throw new UnknownEventVersion(type, event.version);
    }
    data = step(data);
    version += 1;
  }
  return data;
}
