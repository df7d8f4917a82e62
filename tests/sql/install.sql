-- Installing: once, twice, and what it leaves.
\unset ON_ERROR_ROLLBACK
select plan(11);

-- All that is in the schema, as text.
create function test.catalogue() returns setof text language sql as $$
	select 'relation ' || c.oid || ' ' || c.relname || c.relkind::text || coalesce(c.relacl::text, '') || coalesce(c.reloptions::text, '')
		|| coalesce(pg_get_viewdef(case c.relkind when 'v' then c.oid end), '')
		|| coalesce(pg_get_indexdef(case c.relkind when 'i' then c.oid end), '') || coalesce(obj_description(c.oid, 'pg_class'), '')
	from pg_class c where c.relnamespace = 'orderbell'::regnamespace
	union all
	select 'column ' || a.attrelid || ' ' || a.attname || format_type(a.atttypid, a.atttypmod) || a.attnotnull || a.attidentity::text
		|| coalesce(pg_get_expr(d.adbin, d.adrelid), '') || coalesce(col_description(a.attrelid, a.attnum), '')
	from pg_attribute a join pg_class c on c.oid = a.attrelid
	left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
	where c.relnamespace = 'orderbell'::regnamespace
	union all
	select 'constraint ' || k.oid || ' ' || k.conname || pg_get_constraintdef(k.oid)
	from pg_constraint k where k.connamespace = 'orderbell'::regnamespace
	union all
	select 'trigger ' || t.oid || ' ' || pg_get_triggerdef(t.oid) || t.tgenabled::text || coalesce(obj_description(t.oid, 'pg_trigger'), '')
	from pg_trigger t join pg_class c on c.oid = t.tgrelid where c.relnamespace = 'orderbell'::regnamespace
	union all
	select 'function ' || p.oid || ' ' || pg_get_functiondef(p.oid) || p.proacl::text || coalesce(obj_description(p.oid, 'pg_proc'), '')
	from pg_proc p where p.pronamespace = 'orderbell'::regnamespace
	union all
	select 'type ' || t.oid || ' ' || t.typname from pg_type t where t.typnamespace = 'orderbell'::regnamespace
	union all
	select 'role ' || r.rolname || r.rolcanlogin || r.rolsuper || r.rolcreaterole from pg_roles r where r.rolname like 'orderbell%'
	union all
	select 'schema ' || n.nspacl::text || obj_description(n.oid, 'pg_namespace') from pg_namespace n where n.nspname = 'orderbell'
$$;
select test.merchant() as m \gset
select test.paid(:m);
create table test.catalogue_before as select c from test.catalogue() c;
create table test.rows_before as select (select count(*) from orderbell.orders) as orders, (select count(*) from orderbell.order_event) as events,
	(select string_agg(s::text, ',' order by merchant_id) from orderbell.stream s) as streams;
\ir ../../sql/install.sql
select set_eq('select test.catalogue()', 'select c from test.catalogue_before', 'a second install changes nothing');
select results_eq('select (select count(*) from orderbell.orders), (select count(*) from orderbell.order_event),
	(select string_agg(s::text, '','' order by merchant_id) from orderbell.stream s)', 'table test.rows_before', 'no row either');
-- It would wait for this one if it locked a table.
select test.open('a') as a_pid \gset
select test.try('a', 'begin', format('select test.paid(%s)', :m),
	'select orderbell.pay(''nobody''::text, 1, ''g'', ''t'')::text', 'set constraints all immediate');
set lock_timeout = '2s';
\ir ../../sql/install.sql
select pass('and does not wait for payments');
select test.try('a', 'rollback');
select test.paid(:m);
select is(test.stream(:m), 'whole 2', 'payments go on ringing');

-- What the house wants of every object.
select is_empty($$ select p.oid::regprocedure from pg_proc p where p.pronamespace = 'orderbell'::regnamespace
	and obj_description(p.oid, 'pg_proc') is null $$, 'every function has a comment');
select is_empty($$ select c.oid::regclass from pg_class c where c.relnamespace = 'orderbell'::regnamespace
	and c.relkind in ('r', 'v') and obj_description(c.oid, 'pg_class') is null $$, 'and every table and view');
select is_empty($$ select a.attrelid::regclass, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
	where c.relnamespace = 'orderbell'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
	and col_description(a.attrelid, a.attnum) is null $$, 'and every column of a table');
select is_empty($$ select p.oid::regprocedure from pg_proc p where p.pronamespace = 'orderbell'::regnamespace
	and not coalesce(p.proconfig::text like '%search_path=pg_catalog, pg_temp%', false)
	and (p.prosecdef or p.proname not in ('announce', 'bar_prepare', 'item_of', 'items_of', 'may_ring', 'quiet_by', 'record_callback')) $$,
	'every function sets its search_path, but the seven that a payment calls from within another');
select is_empty($$ select p.oid::regprocedure from pg_proc p, aclexplode(p.proacl) a
	where p.pronamespace = 'orderbell'::regnamespace and a.grantee = 0 $$, 'PUBLIC may execute none');
select is((select bool_and(is_ok) from orderbell.doctor() where check_name in
	('triggers', 'unnumbered events', 'merchants without stream', 'streams behind their events', 'notification queue')), true,
	'the doctor finds nothing');
alter table orderbell.orders disable trigger orderbell_order_paid;
select is((select detail from orderbell.doctor() where check_name = 'triggers'), 'missing or off: orderbell_order_paid',
	'but a trigger that is off');
alter table orderbell.orders enable trigger orderbell_order_paid;
select test.close('a');
select * from finish();
