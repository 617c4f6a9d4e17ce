-- Gives one table the privileges of another, and takes those away that only it has.
create or replace function copy_privileges(p_from regclass, p_to regclass) returns void
language plpgsql as $$
declare
  v_command text;
begin
  for v_command in
    select format(
      'revoke all on %s from %s', p_to,
      case when a.grantee = 0 then 'public' else a.grantee::regrole::text end
    )
    from pg_class c, aclexplode(c.relacl) a where c.oid = p_to and a.grantee <> c.relowner
    union all
    select format(
      'grant %s on %s to %s%s', a.privilege_type, p_to,
      case when a.grantee = 0 then 'public' else a.grantee::regrole::text end,
      case when a.is_grantable then ' with grant option' else '' end
    )
    from pg_class c, aclexplode(c.relacl) a where c.oid = p_from and a.grantee <> c.relowner
    union all
    select format(
      'grant %s (%I) on %s to %s%s', a.privilege_type, t.attname, p_to,
      case when a.grantee = 0 then 'public' else a.grantee::regrole::text end,
      case when a.is_grantable then ' with grant option' else '' end
    )
    from pg_attribute t, aclexplode(t.attacl) a
    where t.attrelid = p_from and t.attnum > 0 and not t.attisdropped
      and exists (select from pg_attribute n where n.attrelid = p_to and n.attname = t.attname)
  loop
    execute v_command;
  end loop;
end
$$;
