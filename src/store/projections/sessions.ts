import type { ProjectionDefinition } from "./definition.ts";

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
  indexes: { by_content: "customer, content, time" },
  start: {
    ofRow: "time - (select window_length())",
    ofEvent: "(data ->> 'windowStart')::timestamptz",
  },
  // A row that is there already was not written by this projection: the event is right. In the
  // order of the key, neighbouring rows meet the same pages of the indexes.
  apply: (table) => `
    insert into ${table} (time, customer, content, sessions)
    select window_end, customer, content, (data ->> 'sessions')::bigint
    from batch where type = 'WindowSealed'
    order by window_end, customer, content
    on conflict (time, customer, content) do update set sessions = excluded.sessions`,
};
