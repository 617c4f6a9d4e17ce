-- Compares the new table with the live one, both read from one snapshot in which both stand at
-- the same positions, and keeps the report. Nothing is locked: when the live build has moved in
-- the moment between the last events and the snapshot, the answer is `behind`, and it is tried
-- again. `p_start` and `p_row_start` are where an event and a row begin, for limits.
create or replace function compare_rebuild(
  p_projection text,
  p_version int,
  p_apply text,
  p_start text,
  p_row_start text,
  p_events_max int,
  p_examples_max int
) returns text language plpgsql as $$
declare
  v_rebuilt text := p_projection || '_rebuild';
  v_limits jsonb;
  v_within text := '';
  v_keys text;
  v_first_key text;
  v_is_equal text;
  v_behind bigint;
  v_report jsonb;
begin
  select r.limits into v_limits from rebuilds r
  where r.projection = p_projection and r.version = p_version and r.ended_at is null
    and r.prepared;
  if not found then
    return 'none';
  end if;
  if v_limits <> '{}' then
    v_within := 'where within_limits($1, customer, content, ' || p_row_start || ')';
  end if;

  select
    string_agg(quote_ident(a.attname), ', ') filter (where a.attnum = any (i.indkey)),
    min(quote_ident(a.attname)) filter (where a.attnum = i.indkey[0]),
    coalesce(
      string_agg(format('l.%1$I is not distinct from r.%1$I', a.attname), ' and ')
        filter (where a.attnum <> all (i.indkey)),
      'true'
    )
  into v_keys, v_first_key, v_is_equal
  from pg_attribute a
  join pg_index i on i.indrelid = a.attrelid and i.indisprimary
  where a.attrelid = v_rebuilt::regclass and a.attnum > 0 and not a.attisdropped;

  select a.behind into v_behind
  from apply_events(p_projection, 'rebuild', p_version, p_apply, p_start, p_events_max) a;
  if v_behind > 0 then
    return 'behind';
  end if;

  execute format(
    $compare$
      with differing as materialized (
        select %2$s,
          case when r.%3$s is null then 'extra' when l.%3$s is null then 'missing'
            else 'different' end as kind
        from (select * from %4$I %6$s) as l
        full join (select * from %5$I %6$s) as r using (%2$s)
        where l.%3$s is null or r.%3$s is null or not (%1$s)
      ), counted as (
        select
          count(*) filter (where kind = 'missing') as missing,
          count(*) filter (where kind = 'extra') as extra,
          count(*) filter (where kind = 'different') as different
        from differing
      ), examples as (
        select picked.kind, jsonb_agg(
          jsonb_build_object(
            'live', (
              select (select jsonb_object_agg(key, value) from jsonb_each_text(to_jsonb(l)))
              from %4$I l where (%2$s) = (%7$s)
            ),
            'rebuilt', (
              select (select jsonb_object_agg(key, value) from jsonb_each_text(to_jsonb(r)))
              from %5$I r where (%2$s) = (%7$s)
            )
          ) order by %7$s
        ) as rows
        from (values ('missing'), ('extra'), ('different')) as kinds (kind)
        cross join lateral (
          select * from differing where differing.kind = kinds.kind order by %2$s limit $2
        ) as picked
        group by picked.kind
      )
      select jsonb_build_object(
        'comparedAt', to_char(statement_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'events', (
          select coalesce(sum(position), 0) from projection_positions
          where projection = $3 and build = 'rebuild'
        ),
        'equal', (select count(*) from %4$I %6$s) - extra - different,
        'missing', missing, 'extra', extra, 'different', different,
        'examples', coalesce(
          (select jsonb_object_agg(examples.kind, examples.rows) from examples), '{}'
        )
      )
      from counted
      where not exists (
        select from projection_positions own
        join projection_positions live using (projection, partition)
        where projection = $3 and own.build = 'rebuild' and live.build = 'live'
          and own.position <> live.position
      )
    $compare$,
    v_is_equal, v_keys, v_first_key, p_projection, v_rebuilt, v_within,
    (select string_agg('picked.' || k, ', ') from unnest(string_to_array(v_keys, ', ')) k)
  ) into v_report using v_limits, p_examples_max, p_projection;
  if v_report is null then
    return 'behind';
  end if;

  update rebuilds r set
    report = v_report,
    problem = null,
    differences = (v_report ->> 'missing')::bigint + (v_report ->> 'extra')::bigint
      + (v_report ->> 'different')::bigint
  where r.projection = p_projection and r.ended_at is null;
  return 'compared';
end
$$;
