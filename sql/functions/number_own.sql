-- orderbell.number_own(after) - gives the events of this transaction that have no seq yet their
-- seqs, all at once.
--   p_after  those with a higher id than this
-- Returns how many it numbered.
--
-- Own events are those whose xact is this transaction's: no other transaction, in progress or done,
-- nor one that wrote with triggers off, has a row with it.  Merchants are locked in the order of
-- their ids, so that two commits cannot deadlock (but a transaction that writes more events after
-- its first were numbered, by SET CONSTRAINTS or a deferred trigger of its own, locks in its own
-- order); events are numbered in the order of theirs.
-- The highest of these is left in the setting orderbell.numbered for number_events().
-- An event whose merchant does not exist becomes a payment_exception.
-- Errors: see number_events().
-- Touches: stream (update), order_event (update, delete), payment_exception (insert).  Internal.
--
-- enable_seqscan: a plan made while a table was nearly empty would be kept while it grows.
-- (xact, id) > (...) says no more than id > ..., but keeps the planner from the primary key.
create or replace function orderbell.number_own(p_after bigint) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
	v_xact constant xid8 := pg_current_xact_id();
	v_quiet_by constant text := orderbell.quiet_by();
	v_numbered bigint;
	v_last_id bigint;
	v_merchant_ids bigint[];
	v_seqs bigint[];
	v_nobodys orderbell.order_event;
	v_order orderbell.orders;
begin
	perform from orderbell.stream s
	where s.merchant_id in (
		select e.merchant_id from orderbell.order_event e
		where e.xact = v_xact and (e.xact, e.id) > (v_xact, p_after) and e.seq is null)
	order by s.merchant_id
	for no key update;

	with counted as (
		update orderbell.stream s set seq = s.seq + o.n
		from (
			select e.merchant_id, count(*) as n, max(e.id) as last_id
			from orderbell.order_event e
			where e.xact = v_xact and (e.xact, e.id) > (v_xact, p_after) and e.seq is null
			group by e.merchant_id) o
		where s.merchant_id = o.merchant_id
		returning s.merchant_id, s.seq, o.n, o.last_id)
	select sum(c.n), max(c.last_id), array_agg(c.merchant_id), array_agg(c.seq)
	into v_numbered, v_last_id, v_merchant_ids, v_seqs
	from counted c;

	-- Each one counts backwards from what its stream says now, and finds that by an index: the
	-- planner, who takes them for few, would join them with `counted` row by row.
	with own as materialized (
		select e.id, e.merchant_id,
			count(*) over (partition by e.merchant_id)
				- row_number() over (partition by e.merchant_id order by e.id) as n_behind
		from orderbell.order_event e
		where e.xact = v_xact and (e.xact, e.id) > (v_xact, p_after) and e.seq is null)
	update orderbell.order_event e
	set seq = s.seq - o.n_behind, created_at = clock_timestamp(),
		acked_at = coalesce(e.acked_at,
			case when v_quiet_by is not null then clock_timestamp() end),
		acked_by = coalesce(e.acked_by, v_quiet_by)
	from own o join orderbell.stream s on s.merchant_id = o.merchant_id
	where e.id = o.id;

	-- An event of nobody would be lost in silence, and an error would fail the shop's payment.
	for v_nobodys in
		delete from orderbell.order_event e
		where e.xact = v_xact and (e.xact, e.id) > (v_xact, p_after) and e.seq is null
		returning e.*
	loop
		select o.* into v_order from orderbell.orders o
		where o.id = v_nobodys.order_id and v_nobodys.order_table is null;
		perform orderbell.record_exception('unknown_merchant', v_nobodys.merchant_id,
			v_nobodys.order_id, v_order.number, v_order.amount, null, null, v_nobodys.content);
	end loop;

	if v_numbered is null then
		return 0;
	end if;
	perform set_config('orderbell.numbered', v_xact || ' ' || v_last_id, true);
	perform orderbell.announce(v_merchant_ids, v_seqs);
	return v_numbered;
end $$;
comment on function orderbell.number_own(bigint) is
	'Internal: gives the events of this transaction their seqs.';
