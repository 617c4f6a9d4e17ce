/**
 * The versions of events. A version that was ever written stays readable: `event_data` in SQL is
 * the one place that knows how, and gives every reader the data as the newest version has it.
 *
 * To make a new one: raise it here, extend `event_data` in its file and run that in a new version
 * of the schema, and keep an event of the new version in test/fixtures/events. `windowStart` and
 * `windowEnd` stay where they are: an import reads them from every version.
 */

/** The version that is written, by type; all from 1 to it are known. */
export const newestVersions: Readonly<Record<string, number>> = {
  WindowSealed: 1,
  LossAccepted: 1,
};

/** The event was written by a newer program, or by none. */
class UnknownEventVersion extends Error {
  constructor(type: string, version: number) {
    super(
      `version ${version} of event ${type} is not known: run the program that wrote it, or a newer`,
    );
  }
}

/** @throws UnknownEventVersion for an event that `event_data` refuses. */
export function checkEventVersion(type: string, version: number): void {
  const newest = Object.hasOwn(newestVersions, type) ? newestVersions[type] : undefined;
  if (newest === undefined || version < 1 || version > newest) {
    throw new UnknownEventVersion(type, version);
  }
}
