-- True for what a verification is limited to. `from` is inclusive, `to` exclusive, both epoch ms.
create or replace function within_limits(
  p_limits jsonb,
  p_customer text,
  p_content text,
  p_start timestamptz
) returns boolean language sql stable parallel safe as $$
  select (p_limits ->> 'customer' is null or p_customer = p_limits ->> 'customer')
    and (p_limits ->> 'content' is null or p_content = p_limits ->> 'content')
    and (p_limits ->> 'fromMs' is null
      or p_start >= to_timestamp((p_limits ->> 'fromMs')::float8 / 1000))
    and (p_limits ->> 'toMs' is null
      or p_start < to_timestamp((p_limits ->> 'toMs')::float8 / 1000))
$$;
