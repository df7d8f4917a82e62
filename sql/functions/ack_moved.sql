-- orderbell.ack_moved(order_table, order_id) - acks the events of an order that has moved on, by
-- "order".
--   p_order_table  the attached table that it is in; null: orderbell.orders
-- Never waits: an event that is locked is being acked already.
-- Touches: order_event (update).  Internal.
create or replace function orderbell.ack_moved(p_order_table text, p_order_id bigint) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	v_merchant_id bigint;
	v_seqs bigint[];
begin
	for v_merchant_id, v_seqs in
		with waiting as (
			select e.id from orderbell.order_event e
			where e.order_id = p_order_id and e.order_table is not distinct from p_order_table
				and e.acked_at is null
			for no key update skip locked),
		acked as (
			update orderbell.order_event e set acked_at = clock_timestamp(), acked_by = 'order'
			from waiting w where e.id = w.id
			returning e.merchant_id, e.seq)
		select a.merchant_id, array_agg(a.seq order by a.seq) from acked a
		where a.seq is not null -- one without is of this transaction, nobody has heard of it yet
		group by a.merchant_id
	loop
		if orderbell.may_ring() then
			perform orderbell.tell_acked(v_merchant_id, v_seqs, 'order');
		end if;
	end loop;
end $$;
comment on function orderbell.ack_moved(text, bigint) is
	'Internal: acks the events of an order that has moved on.';
