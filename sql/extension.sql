-- extension.sql - the end of the extension's script: rows of its tables belong to the shop, and
-- pg_dump is to take them along.  Not those of unlogged tables, which a restart may empty as well.
do $$
declare
	v_table regclass;
begin
	for v_table in
		select c.oid::regclass from pg_class c
		where c.relnamespace = 'orderbell'::regnamespace and c.relkind in ('r', 'p', 'S')
			and c.relpersistence = 'p'
	loop
		perform pg_extension_config_dump(v_table, '');
	end loop;
end $$;
