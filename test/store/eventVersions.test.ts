/** Events of every version that was ever written are read by every projection. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { checkEventVersion, newestVersions } from "../../src/domain/eventVersions.ts";
import { projections } from "../../src/store/projections/registry.ts";
import { commitRaw, freshStore, type TestStore } from "./support.ts";

interface Fixture {
  readonly type: string;
  readonly version: number;
  readonly customer: string | null;
  readonly content: string | null;
  readonly data: Readonly<Record<string, unknown>>;
  /** The row of each projection, every value as text. */
  readonly rows: Readonly<Record<string, unknown>>;
}

const directory = join(import.meta.dir, "..", "fixtures", "events");

function isFixture(value: unknown): value is Fixture {
  return typeof value === "object" && value !== null && "type" in value && "rows" in value;
}

async function readFixture(name: string): Promise<Fixture> {
  const value: unknown = await Bun.file(join(directory, name)).json();
  if (!isFixture(value)) throw new Error(`${name} is no event`);
  return value;
}

const names = [...new Bun.Glob("*.json").scanSync({ cwd: directory })].sort();
const fixtures = await Promise.all(names.map(readFixture));

async function append(store: TestStore, event: Fixture): Promise<void> {
  const { customer, content } = event;
  const named = { ...event, customer: customer ?? "", content: content ?? "" };
  const outcome = await commitRaw(store, [named], {
    expectedSequence: 0,
    expectedPosition: 0,
    sequence: 1,
    streamCreated: "",
    sealedThrough: new Date("2024-01-01T11:00Z"),
    state: null,
  });
  expect(outcome).toBe("committed");
}

async function rowsOf(store: TestStore, table: string): Promise<unknown[]> {
  const rows = await store.database.run(
    (sql) => sql<{ line: unknown }[]>`
      select (select jsonb_object_agg(key, value) from jsonb_each_text(to_jsonb(t))) as line
      from ${sql(table)} t
    `,
  );
  return rows.map(({ line }) => line);
}

async function upcast(store: TestStore, event: Fixture): Promise<unknown> {
  const [row] = await store.database.run(
    (sql) => sql<{ data: unknown }[]>`
      select event_data(${event.type}, ${event.version}, ${JSON.stringify(event.data)}::text::jsonb)
        as data
    `,
  );
  return row?.data;
}

test("an event of each version that was ever written is kept", () => {
  const known = Object.entries(newestVersions).flatMap(([type, newest]) =>
    Array.from({ length: newest }, (_, index) => `${type}.${index + 1}.json`),
  );
  expect(names).toEqual(known.sort());
  expect(fixtures.map(({ type, version }) => `${type}.${version}.json`)).toEqual(names);
});

describe.each(fixtures.map((fixture) => [`${fixture.type} ${fixture.version}`, fixture] as const))(
  "%s",
  (_, fixture) => {
    test("gives the rows that it always gave, in every projection", async () => {
      await using store = await freshStore(1);
      store.project();
      await append(store, fixture);
      await store.projected();
      for (const { name } of projections) {
        const row = fixture.rows[name];
        expect({ [name]: await rowsOf(store, name) }).toEqual({
          [name]: row === undefined ? [] : [row],
        });
      }
    });

    test("is known, and in its newest version read as it was written", async () => {
      await using store = await freshStore(1);
      const { type, version, data } = fixture;
      expect(() => checkEventVersion(type, version)).not.toThrow();
      const read = await upcast(store, fixture);
      if (version === newestVersions[type]) expect(read).toEqual(data);
    });
  },
);

describe("a version that is not known", () => {
  test.each([
    ["WindowSealed", 2],
    ["WindowSealed", 0],
    ["toString", 1],
  ])("%s %d is refused by the program and by SQL", async (type, version) => {
    await using store = await freshStore(1);
    const event = { type, version, customer: null, content: null, data: {}, rows: {} };
    const refusal = `version ${version} of event ${type} is not known`;
    expect(() => checkEventVersion(type, version)).toThrow(refusal);
    await expect(upcast(store, event)).rejects.toThrow(refusal);
  });
});
