-- orderbell.order_moved() - trigger: an order has moved on (confirmed, sent, cancelled ...), so
-- somebody has seen it: its events are acked by "order".
-- Never fails the shop's statement, and never waits: an event that is locked is being acked
-- already.
-- Touches: order_event (update).
create or replace function orderbell.order_moved() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_merchant_id bigint;
	v_seqs bigint[];
begin
	for v_merchant_id, v_seqs in
		with waiting as (
			select e.id from orderbell.order_event e
			where e.order_id = new.id and e.acked_at is null
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
	return null;
end $$;
comment on function orderbell.order_moved() is
	'Trigger: an order that moves on acks its events.';
