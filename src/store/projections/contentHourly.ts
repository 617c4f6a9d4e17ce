import type { ProjectionDefinition } from "./definition.ts";

const hour = "date_trunc('hour', (data ->> 'windowStart')::timestamptz, 'UTC')";

/**
 * Bytes and sessions of each hour, and the share of the bytes that came from peers. `hour` is the
 * start of the hour; a window counts in the one that it starts in.
 *
 * The sums of an hour may exceed what `bigint` holds, hence `numeric`. The ratio is computed from
 * the sums, by the table itself, so that it cannot disagree with them.
 */
export const contentHourly: ProjectionDefinition = {
  name: "content_hourly",
  version: 1,
  columns: `
    customer text collate "C" not null,
    content text collate "C" not null,
    hour timestamptz not null,
    cdn numeric not null,
    p2p numeric not null,
    sessions numeric not null,
    offload float8 generated always as (p2p / nullif(cdn + p2p, 0)) stored`,
  key: "hour, customer, content",
  values: "cdn, p2p, sessions, offload",
  indexes: { by_content: "customer, content, hour" },
  // Every row is updated twelve times an hour: with room in its page, no index need be touched.
  storage: "fillfactor = 50",
  isPatient: true,
  start: { ofRow: "hour", ofEvent: hour },
  apply: (table) => `
    insert into ${table} as summed (customer, content, hour, cdn, p2p, sessions)
    select customer, content, ${hour}, sum((data ->> 'cdn')::numeric),
      sum((data ->> 'p2p')::numeric), sum((data ->> 'sessions')::numeric)
    from batch where type = 'WindowSealed'
    group by 3, 1, 2
    order by 3, 1, 2
    on conflict (hour, customer, content) do update set
      cdn = summed.cdn + excluded.cdn,
      p2p = summed.p2p + excluded.p2p,
      sessions = summed.sessions + excluded.sessions`,
};
