-- orderbell.renumber() - numbers events that were written with triggers off
-- (session_replication_role, alter table ... disable trigger) and so have no seq; rings for them.
-- orderbell.doctor() counts them.  Returns how many it was.
-- Touches: stream (update), order_event (update).
create or replace function orderbell.renumber() returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_merchant_id bigint;
	v_seq bigint;
	v_n bigint;
	v_all bigint := 0;
begin
	-- Two at once would number the same rows twice.
	perform pg_advisory_xact_lock(hashtext('orderbell.renumber'));
	perform from orderbell.stream s
	where s.merchant_id in (select e.merchant_id from orderbell.order_event e
		where e.seq is null and e.xact <> pg_current_xact_id())
	order by s.merchant_id for no key update;
	for v_merchant_id, v_seq, v_n in
		with stray as materialized (
			select e.id, e.merchant_id,
				row_number() over (partition by e.merchant_id order by e.id) as nth
			from orderbell.order_event e
			where e.seq is null and e.xact <> pg_current_xact_id()),
		counted as (
			update orderbell.stream s set seq = s.seq + c.n
			from (select m.merchant_id, count(*) as n from stray m group by m.merchant_id) c
			where s.merchant_id = c.merchant_id
			returning s.merchant_id, s.seq - c.n as before, s.seq as top, c.n),
		numbered as (
			update orderbell.order_event e
			set seq = c.before + m.nth, created_at = clock_timestamp()
			from stray m join counted c on c.merchant_id = m.merchant_id
			where e.id = m.id)
		select c.merchant_id, c.top, c.n from counted c order by c.merchant_id
	loop
		v_all := v_all + v_n;
		perform pg_notify('order_events', format('{"merchant":%s,"seq":%s}', v_merchant_id, v_seq));
	end loop;
	return v_all;
end $$;
comment on function orderbell.renumber() is 'Numbers events that were written with triggers off.';
