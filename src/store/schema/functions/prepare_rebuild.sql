-- Makes the new, empty table of a rebuild that was asked for, once. `p_create` is its definition.
-- Whatever locks both does so in this order: the row of the rebuild, positions, tables.
create or replace function prepare_rebuild(p_projection text, p_version int, p_create text)
returns boolean language plpgsql as $$
begin
  perform from rebuilds r
  where r.projection = p_projection and r.version = p_version and r.ended_at is null
    and not r.prepared
  for update;
  if not found then
    return false;
  end if;
  delete from projection_positions o where o.projection = p_projection and o.build = 'rebuild';
  execute p_create;
  insert into projection_positions (projection, build, partition)
  select p_projection, 'rebuild', p.partition from partitions p;
  update rebuilds r set prepared = true, problem = null
  where r.projection = p_projection and r.ended_at is null;
  return true;
end
$$;
