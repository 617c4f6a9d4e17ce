create or replace function window_length() returns interval language sql stable parallel safe as $$
  select s.value::bigint * interval '1 millisecond' from settings s where s.name = 'window_ms'
$$;
