-- roles.sql - who may do what is said in grants.sql.  Roles belong to the whole cluster: they may
-- be there already, and are then left as they are.  They do not log in themselves; grant them to
-- those who do.
do $$
declare
	v_role text;
begin
	foreach v_role in array array['orderbell_fcgi', 'orderbell_notifier', 'orderbell_dba'] loop
		if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
			execute format('create role %I nologin', v_role);
		end if;
	end loop;
end $$;
