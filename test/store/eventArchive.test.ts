/** An event log is moved to an empty database, and gives identical tables there. */
import { beforeAll, describe, expect, test } from "bun:test";
import { emptyPartitionState } from "../../src/actors/partitionState.ts";
import type { Database } from "../../src/store/database.ts";
import { BadArchive, compressed, linesOf } from "../../src/store/eventArchive.ts";
import { exportEvents } from "../../src/store/eventExport.ts";
import { ImportRefused, importEvents } from "../../src/store/eventImport.ts";
import { migrate } from "../../src/store/migrate.ts";
import { projections } from "../../src/store/projections/registry.ts";
import { fixedSettings, SettingsMismatch } from "../../src/store/settings.ts";
import { freshDatabase } from "../support/servers.ts";
import {
  firstEndMs,
  freshStore,
  sealed,
  TestStore,
  tableText,
  Writer,
  windowMs,
  windowOf,
} from "./support.ts";

const pageRows = 2_000;
const large = 9_223_372_036_854_775_807n;
const names = ['a"quote', "comma, and \\ slash", "😀", "é".repeat(20), "=1+1", "x"];

async function filledStore(): Promise<TestStore> {
  const store = await freshStore(3);
  for (const partition of [0, 2]) {
    const writer = new Writer(store.partitions, partition);
    for (let window = 0; window < 30; window += 1) {
      await writer.commit(
        names.map((name) =>
          sealed({
            customer: name,
            content: `${name}${partition}`,
            windowEndMs: firstEndMs + window * windowMs,
            cdn: large - BigInt(window),
            p2p: BigInt(window),
            sessions: window,
            tokens: "AAAAAAAAAAE=".repeat(window % 3),
          }),
        ),
      );
    }
  }
  store.project();
  await store.projected();
  return store;
}

async function allTexts({ database }: TestStore): Promise<Record<string, string>> {
  const found: Record<string, string> = { events: await tableText(database, "events") };
  for (const { name } of projections) found[name] = await tableText(database, name);
  return found;
}

async function archiveOf(database: Database): Promise<Uint8Array[]> {
  return Array.fromAsync(compressed(exportEvents(database)));
}

/** A page of an import, and some events more. */
async function largeStore(): Promise<TestStore> {
  const store = await freshStore(1);
  await new Writer(store.partitions, 0).commit(windowOf(0, pageRows + 500, firstEndMs));
  return store;
}

async function textOfLog({ database }: TestStore): Promise<string> {
  return (await Array.fromAsync(exportEvents(database))).join("");
}

async function* chunked(chunks: readonly Uint8Array[]) {
  yield* chunks;
}

async function* textLines(text: string) {
  yield* text.split("\n").filter((line) => line !== "");
}

function importInto(database: Database, lines: AsyncGenerator<string>) {
  return importEvents(database, lines, { emptyState: emptyPartitionState });
}

async function emptyStore(): Promise<TestStore> {
  return new TestStore(await freshDatabase());
}

async function stagedCount(store: TestStore): Promise<number> {
  return (await store.database.run((sql) => sql`select from imported_events`)).length;
}

/** As an import that ends after its first page does. */
async function leaveStaged(store: TestStore, text: string): Promise<void> {
  async function* killed() {
    yield* textLines(text.split("\n", pageRows + 10).join("\n"));
    throw new Error("killed");
  }
  await expect(importInto(store.database, killed())).rejects.toThrow("killed");
  expect(await stagedCount(store)).toBe(pageRows);
}

async function eventCount(store: TestStore): Promise<number> {
  return (await store.database.run((sql) => sql`select from events`)).length;
}

test("export, import into an empty database, rebuild: identical, byte for byte", async () => {
  await using from = await filledStore();
  await using to = await emptyStore();
  const archive = await archiveOf(from.database);
  expect(await importInto(to.database, linesOf(chunked(archive)))).toEqual({
    events: 360,
    importedBefore: false,
    settings: { windowMs, partitions: 3 },
  });
  to.project();
  await to.projected();
  const expected = await allTexts(from);
  expect(expected.stats?.split("\n").length).toBe(360);
  expect(await allTexts(to)).toEqual(expected);
  expect(Buffer.concat(await archiveOf(to.database))).toEqual(Buffer.concat(archive));
  expect(await importInto(to.database, linesOf(chunked(archive)))).toMatchObject({
    importedBefore: true,
  });
  const lines = await Array.fromAsync(linesOf(chunked(archive)));
  const cut = textLines(lines.slice(0, -1).join("\n"));
  await expect(importInto(to.database, cut)).rejects.toThrow("end of the file is missing");

  // The streams of the events are not here: the partition waits until someone accepts that.
  expect(await to.partitions.load(2)).toMatchObject({
    streamCreated: "before the import",
    sequence: 0,
    position: 180,
    sealedThroughMs: firstEndMs + 29 * windowMs,
    state: {
      ...emptyPartitionState,
      timeMs: firstEndMs + 29 * windowMs,
      ledger: { read: 180, sealed: 180, duplicates: 0, quarantined: 0 },
    },
  });
  expect(await to.partitions.load(1)).toMatchObject({ streamCreated: "", position: 0 });
  const [kept] = await to.database.run(
    (sql) => sql`select loss_accepted_time as time from partitions where partition = 2`,
  );
  expect(BigInt(String(kept?.time))).toBe(BigInt(firstEndMs + 29 * windowMs) * 1_000_000n - 1n);
});

describe("an import", () => {
  let text: string;
  let lines: readonly string[];
  let archive: Buffer;
  beforeAll(async () => {
    await using from = await filledStore();
    text = await textOfLog(from);
    lines = text.trimEnd().split("\n");
    archive = Buffer.concat(await archiveOf(from.database));
  }, 60_000);

  test("that ended early has changed nothing, and is started again", async () => {
    await using from = await largeStore();
    await using to = await emptyStore();
    const text = await textOfLog(from);
    await leaveStaged(to, text.replace('"cdn": "1"', '"cdn": "2"'));
    expect(await eventCount(to)).toBe(0);
    expect(await fixedSettings(to.database)).toBeUndefined();
    expect(await importInto(to.database, textLines(text))).toMatchObject({
      events: pageRows + 500,
      importedBefore: false,
    });
    expect(await textOfLog(to)).toBe(text);
    expect(await stagedCount(to)).toBe(0);
  });

  test("ends when another one begins, which it does not disturb", async () => {
    await using from = await largeStore();
    await using to = await emptyStore();
    const text = await textOfLog(from);
    const lines = text.split("\n");
    const [firstPage, rest] = [lines.slice(0, pageRows + 1), lines.slice(pageRows + 1)];
    const hasBegun = Promise.withResolvers<void>();
    const isRefused = Promise.withResolvers<void>();
    async function* second() {
      yield* textLines(firstPage.join("\n"));
      hasBegun.resolve();
      await isRefused.promise;
      yield* textLines(rest.join("\n"));
    }
    let other: ReturnType<typeof importInto> | undefined;
    async function* first() {
      yield* textLines(firstPage.join("\n"));
      other = importInto(to.database, second());
      await hasBegun.promise;
      yield* textLines(rest.join("\n"));
    }
    await expect(importInto(to.database, first())).rejects.toThrow("another import has begun");
    isRefused.resolve();
    expect(await other).toMatchObject({ events: pageRows + 500 });
    expect(await textOfLog(to)).toBe(text);
  });

  test("whose events a crash of Postgres has taken is refused, and fixes no setting", async () => {
    await using from = await largeStore();
    await using to = await emptyStore();
    const text = await textOfLog(from);
    async function* crashing() {
      yield* textLines(text);
      // The last page is not staged yet.
      await to.database.run((sql) => sql`truncate imported_events`);
    }
    await expect(importInto(to.database, crashing())).rejects.toThrow("has lost what was staged");
    expect(await eventCount(to)).toBe(0);
    expect(await fixedSettings(to.database)).toBeUndefined();
  });

  test("that another one has taken the place of can become no log", async () => {
    await using from = await largeStore();
    await using to = await emptyStore();
    const [header = ""] = (await textOfLog(from)).split("\n");
    await migrate(to.database);
    const other = crypto.randomUUID();
    const [row] = await to.database.run(
      (sql) => sql`select finish_import(${other}, ${header}::text::jsonb, '{}') as outcome`,
    );
    expect(row?.outcome).toBe("other");
    expect(await fixedSettings(to.database)).toBeUndefined();
  });

  test("into a log that has begun meanwhile removes what an earlier one has staged", async () => {
    await using from = await largeStore();
    const text = await textOfLog(from);
    await using to = await freshStore(1);
    await leaveStaged(to, text);
    await new Writer(to.partitions, 0).commit([]);
    await expect(importInto(to.database, textLines(text))).rejects.toThrow("is not empty");
    expect(await stagedCount(to)).toBe(0);
  });

  test("takes over a partition that has an event and no sealed window", async () => {
    await using from = await freshStore(3);
    await using to = await emptyStore();
    // As an accepted loss leaves it, when it comes before the end of the first window.
    await from.database.run((sql) =>
      sql
        .unsafe(`
        insert into events (partition, position, type, version, data, epoch, sealed_by)
        values (1, 1, 'LossAccepted', 1, '{}', 1, 'someone');
        update partitions set position = 1 where partition = 1;
      `)
        .simple(),
    );
    await importInto(to.database, linesOf(chunked(await archiveOf(from.database))));
    expect(await to.partitions.load(1)).toMatchObject({
      streamCreated: "before the import",
      position: 1,
      sealedThroughMs: 0,
      state: emptyPartitionState,
    });
  });

  test("into a log that is not empty, or with other settings, is refused", async () => {
    await using used = await freshStore(3);
    await new Writer(used.partitions, 0).commit([]);
    await expect(importInto(used.database, textLines(text))).rejects.toThrow(ImportRefused);
    await using other = await freshStore(4);
    await expect(importInto(other.database, textLines(text))).rejects.toThrow(SettingsMismatch);
  });

  test("into a log that begins meanwhile is refused, and leaves nothing", async () => {
    await using to = await freshStore(3);
    async function* slow() {
      yield* textLines(text);
      await new Writer(to.partitions, 0).commit([]);
    }
    await expect(importInto(to.database, slow())).rejects.toThrow(ImportRefused);
    expect(await stagedCount(to)).toBe(0);
  });

  const swapped = (lines: readonly string[]) =>
    lines.with(5, lines[6] ?? "").with(6, lines[5] ?? "");
  test.each<[string, string, (lines: readonly string[]) => readonly string[]]>([
    ["cut off", "end of the file is missing", (lines) => lines.slice(0, -1)],
    ["with a gap", "expected 0/5", (lines) => lines.toSpliced(5, 1)],
    ["out of order", "expected 0/5", swapped],
    [
      "with a number changed",
      "not what was exported",
      (lines) => lines.with(5, (lines[5] ?? "").replace('"sessions": 0', '"sessions": 1')),
    ],
    [
      "of a newer version",
      "version 9 of event WindowSealed is not known",
      (lines) => lines.with(5, (lines[5] ?? "").replace('"version" : 1', '"version" : 9')),
    ],
    ["of something else", "is no header", () => ['{"hello": 1}']],
    [
      "of an earlier version",
      "export the log again",
      (lines) => lines.with(0, (lines[0] ?? "").replace('"formatVersion":2', '"formatVersion":1')),
    ],
  ])("of a file %s is refused, and changes nothing", async (_, reason, change) => {
    await using to = await emptyStore();
    const changed = change(lines).join("\n");
    await expect(importInto(to.database, textLines(changed))).rejects.toThrow(reason);
    expect(await fixedSettings(to.database)).toBeUndefined();
  });

  test.each<[string, string, (header: string) => string]>([
    ["of no length", "is no header", (text) => text.replace('"windowMs":300000', '"windowMs":0')],
    ["of 7 s", "is no header", (text) => text.replace('"windowMs":300000', '"windowMs":7000')],
    ["of 1 m", "not what was exported", (text) => text.replace("300000", "60000")],
    [
      "of no partition",
      "is no header",
      (text) => text.replace(/"partitions":\[.*\]/, '"partitions":[]'),
    ],
    ["sealed later", "not what was exported", (text) => text.replace("2024-", "2924-")],
    [
      "never sealed",
      "not what was exported",
      (text) => text.replace(/"sealedThrough":"[^"]+"/, '"sealedThrough":null'),
    ],
    [
      "sealed at no time",
      "is no header",
      (text) => text.replace(/"sealedThrough":"[^"]+"/, '"sealedThrough":7'),
    ],
    [
      "with more events",
      "expected 0/181",
      (text) => text.replace('"position":180', '"position":181'),
    ],
  ])("of a file with windows %s is refused and fixes no setting", async (_, reason, change) => {
    await using to = await emptyStore();
    const [header = "", ...events] = lines;
    expect(change(header)).not.toBe(header);
    const changed = [change(header), ...events].join("\n");
    await expect(importInto(to.database, textLines(changed))).rejects.toThrow(reason);
    expect(await fixedSettings(to.database)).toBeUndefined();
    expect(await importInto(to.database, textLines(text))).toMatchObject({ events: 360 });
    expect(await fixedSettings(to.database)).toEqual({ windowMs, partitions: 3 });
  });

  test("of a file with more partitions than there may be is refused", async () => {
    await using to = await emptyStore();
    const partitions = [...Array(1_025).keys()].map((partition) => {
      return { partition, position: 0, sealedThrough: null };
    });
    const header = { format: "payload-stats-events", formatVersion: 2, windowMs, fingerprint: "" };
    const first = JSON.stringify({ ...header, partitions });
    await expect(importInto(to.database, textLines(first))).rejects.toThrow("is no header");
  });

  test("of a file that is cut off in its middle, or no gzip, is refused", async () => {
    await using to = await emptyStore();
    for (const bytes of [archive.subarray(0, archive.length - 100), Buffer.from("no gzip")]) {
      await expect(importInto(to.database, linesOf(chunked([bytes])))).rejects.toThrow(BadArchive);
    }
  });
});
