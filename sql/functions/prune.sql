-- orderbell.prune(keep, unacked_keep, batch) - forgets old events.
--   p_keep          acked events older than this are deleted
--   p_unacked_keep  un-acked ones older than this are acked as "expired", with an alert on
--                   order_alerts; they are deleted once they are older than both
--   p_batch         rows at most of either kind; call again while it returns something
-- Returns how many rows it deleted or expired.  Terminals whose cursor lies below stream.kept_from
-- are told so and start from the un-acked events.
-- Touches: order_event (update, delete), stream (update).
create or replace function orderbell.prune(
	p_keep interval default '30 days', p_unacked_keep interval default '30 days',
	p_batch int default 10000) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_merchant_id bigint;
	v_n bigint;
	v_all bigint := 0;
begin
	for v_merchant_id, v_n in
		with old as (
			select e.id from orderbell.order_event e
			where e.acked_at is null and e.seq is not null
				and e.created_at < clock_timestamp() - p_unacked_keep
			order by e.merchant_id, e.seq limit p_batch
			for no key update),
		expired as (
			update orderbell.order_event e set acked_at = clock_timestamp(), acked_by = 'expired'
			from old o where e.id = o.id
			returning e.merchant_id)
		select x.merchant_id, count(*) from expired x group by x.merchant_id
	loop
		v_all := v_all + v_n;
		perform pg_notify('order_alerts', json_build_object('alert', 'expired',
			'merchant', v_merchant_id, 'events', v_n)::text);
		perform pg_notify('order_control', json_build_object('merchant', v_merchant_id)::text);
	end loop;

	with old as (
		select e.id from orderbell.order_event e
		where e.acked_at is not null and e.created_at < clock_timestamp() - p_keep
			and (e.acked_by <> 'expired' or e.created_at < clock_timestamp() - p_unacked_keep)
		order by e.merchant_id, e.seq limit p_batch),
	gone as (
		delete from orderbell.order_event e using old o where e.id = o.id
		returning e.merchant_id, e.seq),
	tops as (
		select g.merchant_id, max(g.seq) as seq, count(*) as n from gone g group by g.merchant_id),
	locked as (
		select s.merchant_id from orderbell.stream s
		where s.merchant_id in (select t.merchant_id from tops t)
		order by s.merchant_id for no key update),
	moved as (
		update orderbell.stream s set kept_from = greatest(s.kept_from, t.seq + 1)
		from tops t join locked l on l.merchant_id = t.merchant_id
		where s.merchant_id = t.merchant_id)
	select v_all + coalesce(sum(t.n), 0) into v_all from tops t;
	return v_all;
end $$;
comment on function orderbell.prune(interval, interval, int) is 'Forgets old acked events; lets very old un-acked ones expire.';
