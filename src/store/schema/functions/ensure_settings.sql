-- Fixes the settings at the first start, makes the rows of the partitions, and returns what holds.
create or replace function ensure_settings(p_window_ms bigint, p_partitions int)
returns table (name text, value text) language plpgsql as $$
begin
  -- A second process waits here for the first, and then reads what that one has fixed.
  insert into settings (name, value)
  values ('partitions', p_partitions::text), ('window_ms', p_window_ms::text)
  on conflict do nothing;
  insert into partitions (partition)
  select numbers.partition
  from settings s, generate_series(0, s.value::int - 1) as numbers (partition)
  where s.name = 'partitions'
  on conflict do nothing;
  return query select s.name, s.value from settings s;
end
$$;
