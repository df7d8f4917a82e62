-- orderbell.drop_attached(table) - drops the triggers that orderbell.attach() made.
-- Returns how many there were.
-- Touches: the table (drops triggers).  Internal.
create or replace function orderbell.drop_attached(p_table regclass) returns int
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_name name;
	v_n int := 0;
begin
	for v_name in
		select t.tgname from pg_trigger t
		where t.tgrelid = p_table and t.tgparentid = 0 and t.tgfoid in
			('orderbell.attached_ring()'::regprocedure, 'orderbell.attached_moved()'::regprocedure)
	loop
		execute format('drop trigger %I on %s', v_name, p_table);
		v_n := v_n + 1;
	end loop;
	return v_n;
end $$;
comment on function orderbell.drop_attached(regclass) is
	'Internal: drops the triggers of an attached table.';
