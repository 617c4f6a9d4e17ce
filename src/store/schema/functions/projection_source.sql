-- What a build of a projection follows.
create or replace function projection_source(p_projection text, p_build text)
returns table (partition int, "position" bigint, sealed_through timestamptz)
language sql stable as $$
  select p.partition, p.position, p.sealed_through
  from partitions p where p_build = 'live'
  union all
  select live.partition, live.position, live.sealed_through
  from projection_positions live
  where p_build = 'rebuild' and live.projection = p_projection and live.build = 'live'
$$;
