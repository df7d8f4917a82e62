-- orderbell.forget_lost() - clears away notifiers whose lease has ended, and presence of notifiers
-- that are not there: some thousand rows at a time, and without waiting for anybody.
-- Touches: notifier (delete), presence (delete).  Internal.
create or replace function orderbell.forget_lost() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	c_rows constant int := 5000;
	v_ended text[];
	v_unknown text[];
begin
	-- Locked, so that one which comes back waits, and is then told that its presence is gone.
	select array_agg(l.id) into v_ended from (
		select n.id from orderbell.notifier n where n.lease_until < clock_timestamp()
		limit c_rows
		for update skip locked) l;

	-- The ids in presence one after the other, by its key: not all its rows.
	with recursive told (id) as (
		select min(p.notifier_id) from orderbell.presence p
		union all
		select (select min(p.notifier_id) from orderbell.presence p where p.notifier_id > t.id)
		from told t where t.id is not null)
	select array_agg(t.id) into v_unknown from told t
	where t.id is not null and not exists (select from orderbell.notifier n where n.id = t.id);

	if v_ended is null and v_unknown is null then
		return;
	end if;
	delete from orderbell.presence p
	where (p.notifier_id, p.connection) in (
		select l.notifier_id, l.connection from orderbell.presence l
		where l.notifier_id = any (v_ended || v_unknown)
		limit c_rows
		for update skip locked);
	delete from orderbell.notifier n
	where n.id = any (v_ended)
		and not exists (select from orderbell.presence p where p.notifier_id = n.id);
end $$;
comment on function orderbell.forget_lost() is
	'Internal: clears away what notifiers left that are no more.';
