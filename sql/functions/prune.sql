-- orderbell.prune(keep, unacked_keep, batch) - forgets old events.
--   p_keep          events acked longer ago than this are deleted
--   p_unacked_keep  older events that nobody acked are acked by "expired", with an alert on
--                   order_alerts, and so are deleted p_keep later; no un-acked event ever is
--   p_batch         how many of either kind at most; call again while it returns as many
-- Returns how many were deleted or expired.  Terminals whose cursor lies below stream.kept_from are
-- told so and start from the un-acked events.
-- Payments of a merchant wait from the end of its statement to the commit, so give it a transaction
-- of its own.
-- What was noted of an event, in delivery and alert, goes with it.
-- Touches: order_event (update, delete), stream (update), delivery (delete), alert (delete).
--
-- No index knows when events were acked: it would cost every ack.  Ids are given as time goes on, so
-- what is old is looked for from the lowest on, until a thousand in a row are young.
create or replace function orderbell.prune(
	p_keep interval default '7 days', p_unacked_keep interval default '30 days',
	p_batch int default 10000) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
	c_looks constant int := 1000;
	v_now constant timestamptz := clock_timestamp();
	v_merchant_id bigint;
	v_seqs bigint[];
	v_id bigint := 0;
	v_is_young boolean;
	v_some bigint[];
	v_old bigint[] := '{}';
	v_deleted bigint;
	v_expired bigint := 0;
begin
	for v_merchant_id, v_seqs in
		with old as (
			select e.id from orderbell.order_event e
			where e.acked_at is null and e.seq is not null and e.created_at < v_now - p_unacked_keep
			limit p_batch
			for no key update skip locked),
		expired as (
			update orderbell.order_event e set acked_at = v_now, acked_by = 'expired'
			from old o where e.id = o.id
			returning e.merchant_id, e.seq)
		select x.merchant_id, array_agg(x.seq order by x.seq) from expired x group by x.merchant_id
	loop
		v_expired := v_expired + cardinality(v_seqs);
		if orderbell.may_ring() then
			perform orderbell.tell_acked(v_merchant_id, v_seqs, 'expired');
			perform pg_notify('order_alerts', json_build_object('alert', 'expired',
				'merchant', v_merchant_id, 'events', cardinality(v_seqs))::text);
		end if;
	end loop;

	while cardinality(v_old) < p_batch loop
		select max(e.id), array_agg(e.id order by e.id) filter (where e.acked_at < v_now - p_keep),
			bool_and(e.created_at >= v_now - p_keep and e.acked_at < v_now - p_keep is not true)
		into v_id, v_some, v_is_young
		from (
			select o.id, o.acked_at, o.created_at from orderbell.order_event o
			where o.id > v_id
			order by o.id limit c_looks) e;
		v_old := v_old || coalesce(v_some, '{}');
		exit when v_is_young is not false; -- or there are no more
	end loop;

	-- The streams come last, and in the order of their ids as everywhere.
	with old as (
		select e.id from orderbell.order_event e
		where e.id = any (v_old[:p_batch]) and e.acked_at < v_now - p_keep
		for update skip locked),
	gone as (
		delete from orderbell.order_event e using old o where e.id = o.id
		returning e.id, e.merchant_id, e.seq),
	undelivered as (
		delete from orderbell.delivery d using gone g where d.event_id = g.id),
	settled as (
		delete from orderbell.alert a using gone g where a.event_id = g.id),
	tops as materialized (
		select g.merchant_id, max(g.seq) as seq, count(*) as n from gone g group by g.merchant_id),
	locked as materialized (
		select s.merchant_id from orderbell.stream s
		where s.merchant_id in (select t.merchant_id from tops t)
		order by s.merchant_id
		for no key update),
	moved as (
		update orderbell.stream s set kept_from = greatest(s.kept_from, t.seq + 1)
		from tops t join locked l on l.merchant_id = t.merchant_id
		where s.merchant_id = t.merchant_id)
	select coalesce(sum(t.n), 0) into v_deleted from tops t;
	return v_expired + v_deleted;
end $$;
comment on function orderbell.prune(interval, interval, int) is
	'Forgets old acked events; lets very old un-acked ones expire.';
