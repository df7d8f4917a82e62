-- one-machine.sql - install.sql (unless the extension is there), and what else there must be where
-- both programs and PostgreSQL run on one machine, by the packages' users.  Running it again
-- changes nothing.
--   runuser -u postgres -- psql -d orderbell -f one-machine.sql
\set ON_ERROR_STOP on
select not exists (select from pg_catalog.pg_extension where extname = 'orderbell') as is_plain \gset
\if :is_plain
\ir install.sql
\endif
begin;
-- Logins named as the system users: by "peer" (pg_hba.conf) nobody else is let in as one of them.
do $$
declare
	v_login record;
begin
	for v_login in
		select * from (values ('fcgi-order', 'orderbell_fcgi'),
			('orderbell-notifier', 'orderbell_notifier')) as l (login, role)
	loop
		if not exists (select from pg_catalog.pg_roles where rolname = v_login.login) then
			execute format('create role %I login', v_login.login);
		end if;
		execute format('grant %I to %I', v_login.role, v_login.login);
	end loop;
	execute format('alter database %I set search_path = orderbell, public', current_database());
end $$;
insert into orderbell.merchant (name)
	select 'My shop' where not exists (select from orderbell.merchant);
commit;
-- The first terminal's link is shown once, here.
select min(m.id) as merchant, not exists (select from orderbell.terminal) as is_first
	from orderbell.merchant m \gset
\if :is_first
\pset footer off
select link as "Open this of your web server on the merchant's device, once:"
	from orderbell.terminal_add(:merchant, 'till-1');
\endif
