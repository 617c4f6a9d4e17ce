/** What makes a projection: a table, and how events are applied to it. */
export interface ProjectionDefinition {
  /** Also the name of its table. */
  readonly name: string;
  /** Grows when the table or the way events apply changes. */
  readonly version: number;
  /** Columns of the table, as SQL. */
  readonly columns: string;
  /** Columns of its primary key, as SQL. */
  readonly key: string;
  /** The other columns, as SQL: what is compared. Those that somebody added are not ours. */
  readonly values: string;
  /** Further indexes: the ending of the index's name, and its columns as SQL. */
  readonly indexes: Readonly<Record<string, string>>;
  /** Storage parameters of the table, as SQL. */
  readonly storage?: string;
  /**
   * Where the time begins that a row is about, as SQL over the row, and where that of an event's
   * row begins, as SQL over the event. What a verification is limited to is a range of these, so
   * that each row within it has all its events.
   */
  readonly start: { readonly ofRow: string; readonly ofEvent: string };
  /**
   * The statement that applies the events in `batch` to `table`. The relation `batch` has the
   * columns of `events` but for `version`: all `data` is of the newest. Each event is applied
   * exactly once, so it may add to rows. It must hold for any cut of the log into batches.
   */
  readonly apply: (table: string) => string;
  /** The same for events none of whose rows is there yet; it is tried first, when there is one. */
  readonly insert?: (table: string) => string;
  /** Its rows may be some seconds late: the others' go first. */
  readonly isPatient?: boolean;
}

/** The table that a rebuild fills. */
export function rebuildTable(definition: ProjectionDefinition): string {
  return `${definition.name}_rebuild`;
}

/** Creates the table with its primary key, without further indexes. */
export function createTable(definition: ProjectionDefinition, table: string): string {
  return `create table ${table} (
    ${definition.columns},
    constraint ${table}_pkey primary key (${definition.key})
  )${definition.storage === undefined ? "" : ` with (${definition.storage})`};`;
}

/** Creates the further indexes of the table, if they are not there. */
export function createIndexes(definition: ProjectionDefinition, table: string): string {
  return Object.entries(definition.indexes)
    .map(
      ([ending, columns]) =>
        `create index if not exists ${table}_${ending} on ${table} (${columns});`,
    )
    .join("\n");
}

/** Drops the live table and gives the rebuilt one its name, and its indexes theirs. */
export function swapTables(definition: ProjectionDefinition): string {
  const live = definition.name;
  const rebuilt = rebuildTable(definition);
  const indexes = Object.keys(definition.indexes)
    .map((ending) => `alter index ${rebuilt}_${ending} rename to ${live}_${ending};`)
    .join("\n");
  return `
    drop table ${live};
    alter table ${rebuilt} rename to ${live};
    alter table ${live} rename constraint ${rebuilt}_pkey to ${live}_pkey;
    ${indexes}`;
}
