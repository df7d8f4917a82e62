-- orderbell.ack(merchant_id, seqs, by) - somebody has seen these events.
-- Returns the seqs that were not acked before; idempotent.  Tells the notifiers on order_control.
-- Touches: order_event (update).
create or replace function orderbell.ack(p_merchant_id bigint, p_seqs bigint[], p_by text)
	returns setof bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_acked bigint[];
begin
	with locked as (
		select e.id from orderbell.order_event e
		where e.merchant_id = p_merchant_id and e.seq = any (p_seqs) and e.acked_at is null
		order by e.seq
		for no key update),
	acked as (
		update orderbell.order_event e set acked_at = clock_timestamp(), acked_by = left(p_by, 64)
		from locked l where e.id = l.id
		returning e.seq)
	select array_agg(a.seq order by a.seq) into v_acked from acked a;
	if v_acked is null then
		return;
	end if;
	-- A payload has room for so many; without them a notifier looks for itself.
	perform pg_notify('order_control', case when cardinality(v_acked) <= 300
		then json_build_object('merchant', p_merchant_id, 'acked', v_acked, 'by', left(p_by, 64))
		else json_build_object('merchant', p_merchant_id) end::text);
	return query select unnest(v_acked);
end $$;
comment on function orderbell.ack(bigint, bigint[], text) is 'Marks events as seen by a person.';
