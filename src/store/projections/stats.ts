import type { ProjectionDefinition } from "./definition.ts";

/** In the order of the key, since neighbouring rows meet the same pages of the indexes. */
const insert = (table: string) => `
  insert into ${table} (time, customer, content, cdn, p2p)
  select window_end, customer, content, (data ->> 'cdn')::bigint, (data ->> 'p2p')::bigint
  from batch where type = 'WindowSealed'
  order by window_end, customer, content`;

/** Bytes of each window, from the CDN and from peers. */
export const stats: ProjectionDefinition = {
  name: "stats",
  version: 1,
  columns: `
    time timestamptz not null,
    customer text collate "C" not null,
    content text collate "C" not null,
    cdn bigint not null,
    p2p bigint not null`,
  key: "time, customer, content",
  values: "cdn, p2p",
  indexes: { by_content: "customer, content, time" },
  start: {
    ofRow: "time - (select window_length())",
    ofEvent: "(data ->> 'windowStart')::timestamptz",
  },
  insert,
  // A row that is there already was not written by this projection: the event is right.
  apply: (table) => `
    ${insert(table)}
    on conflict (time, customer, content) do update set cdn = excluded.cdn, p2p = excluded.p2p`,
};
