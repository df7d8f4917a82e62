-- orderbell.attachable(table) - the table's schema and name, and whether it is partitioned; raises
-- where it cannot be attached, or not by who asks: see orderbell.attach().
-- Touches: nothing.  Internal.
create or replace function orderbell.attachable(p_table regclass)
	returns table (table_schema name, table_name name, is_partitioned boolean)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
	v_table pg_class;
begin
	select c.* into v_table from pg_class c where c.oid = p_table;
	if not found then
		raise 'no such table: %', coalesce(p_table::text, 'null') using errcode = 'undefined_table';
	end if;
	if v_table.relkind not in ('r', 'p') or v_table.relpersistence = 't' then
		raise '% is no table that everybody sees', p_table using errcode = 'wrong_object_type';
	end if;
	if v_table.relispartition then
		raise '% is a partition: attach the table that it is a partition of', p_table
			using errcode = 'wrong_object_type';
	end if;
	if v_table.relnamespace = 'orderbell'::regnamespace then
		raise '% is orderbell''s own: orders rings already', p_table
			using errcode = 'wrong_object_type';
	end if;
	if not pg_has_role(v_table.relowner, 'usage') then
		raise 'only its owner may attach or detach %', p_table
			using errcode = 'insufficient_privilege',
			hint = format('grant %I to %I', pg_get_userbyid(v_table.relowner), current_user);
	end if;
	return query select n.nspname, v_table.relname, v_table.relkind = 'p'
		from pg_namespace n where n.oid = v_table.relnamespace;
end $$;
comment on function orderbell.attachable(regclass) is
	'Internal: raises where a table cannot be attached.';
