-- orderbell.raise_alerts(after, is_default, from, to, looks, limit) - alerts for those un-acked
-- events made after p_from and until p_to that have none.
--   p_after, p_is_default  only of merchants with this escalate_after; or of those with none
--   p_looks                how many events to look at, the oldest first (and those of the same
--                          moment as the last)
--   p_limit                how many alerts at most
-- Gives how many it made, and the time until which all are dealt with: p_to where it got there.
-- Touches: alert (insert).  Internal.
--
-- Planned anew each time: a plan made while the tables were nearly empty would be kept while they
-- grow.  And each row found by an index: what there is besides those few is not to be read at all.
create or replace function orderbell.raise_alerts(
	p_after interval, p_is_default boolean, p_from timestamptz, p_to timestamptz, p_looks int,
	p_limit bigint)
	returns table (made bigint, dealt_until timestamptz)
language plpgsql set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
declare
	v_looks bigint;
	v_last timestamptz;
	v_ids bigint[];
	v_left timestamptz; -- the first one that p_limit leaves
	v_alert orderbell.alert;
begin
	with looked as materialized (
		select e.id, e.merchant_id, e.created_at from orderbell.order_event e
		where e.acked_at is null and e.seq is not null
			and e.created_at > p_from and e.created_at <= p_to
		order by e.created_at fetch first (p_looks) rows with ties),
	due as materialized (
		select l.id, l.created_at, row_number() over (order by l.created_at, l.id) as nth
		from looked l left join orderbell.merchant m on m.id = l.merchant_id
		where case when p_is_default then m.escalate_after is null
				else m.escalate_after = p_after end
			and not exists (select from orderbell.alert a where a.event_id = l.id))
	select (select count(*) from looked), (select max(l.created_at) from looked l),
		array(select d.id from due d where d.nth <= p_limit),
		(select d.created_at from due d where d.nth = p_limit + 1)
	into v_looks, v_last, v_ids, v_left;

	made := 0;
	dealt_until := case
		when v_left is not null then v_left - interval '1 microsecond'
		when v_looks < p_looks then p_to
		else v_last end;
	if v_ids = '{}' then
		return next;
		return;
	end if;
	for v_alert in
		insert into orderbell.alert as a
			(kind, merchant_id, event_id, seq, order_id, terminals, detail)
		select case t.n when 0 then 'unreachable' else 'ignored' end, e.merchant_id, e.id, e.seq,
			e.order_id, t.n,
			case t.n when 0 then 'no terminal is connected'
				else format('%s connected, %s with sound', t.n, t.n_armed) end
			|| case when d.event_id is null then '; not sent to any terminal'
				else format('; first sent to %s at %s', d.first_sent_to, d.first_sent_at) end
		from orderbell.order_event e
		left join orderbell.delivery d on d.event_id = e.id
		cross join lateral (
			select count(distinct o.terminal) as n,
				count(distinct o.terminal) filter (where o.audio = 'armed') as n_armed
			from orderbell.terminals_online o where o.merchant_id = e.merchant_id) t
		where e.id = any (v_ids) and e.acked_at is null
		order by e.created_at, e.id
		on conflict (event_id) do nothing
		returning a.*
	loop
		made := made + 1;
		if orderbell.may_ring() then
			perform pg_notify('order_alerts', json_build_object('alert', v_alert.kind,
				'merchant', v_alert.merchant_id, 'seq', v_alert.seq,
				'orderId', v_alert.order_id, 'event', v_alert.event_id)::text);
		end if;
	end loop;
	return next;
end $$;
comment on function orderbell.raise_alerts(
	interval, boolean, timestamptz, timestamptz, int, bigint) is
	'Internal: alerts for un-acked events of a span of time.';
