import type { ProjectionDefinition } from "./definition.ts";

/** In the order of the key, since neighbouring rows meet the same pages of the indexes. */
const insert = (table: string) => `
  insert into ${table} (time, customer, content, sessions)
  select window_end, customer, content, (data ->> 'sessions')::bigint
  from batch where type = 'WindowSealed'
  order by window_end, customer, content`;

/** Sessions that started in each window. */
export const sessions: ProjectionDefinition = {
  name: "sessions",
  version: 1,
  columns: `
    time timestamptz not null,
    customer text collate "C" not null,
    content text collate "C" not null,
    sessions bigint not null`,
  key: "time, customer, content",
  values: "sessions",
  indexes: { by_content: "customer, content, time" },
  start: {
    ofRow: "time - (select window_length())",
    ofEvent: "(data ->> 'windowStart')::timestamptz",
  },
  insert,
  // A row that is there already was not written by this projection: the event is right.
  apply: (table) => `
    ${insert(table)}
    on conflict (time, customer, content) do update set sessions = excluded.sessions`,
};
