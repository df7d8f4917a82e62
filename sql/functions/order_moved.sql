-- orderbell.order_moved() - trigger: an order has moved on (confirmed, sent, cancelled ...), so somebody
-- has seen it: its events are acked by "order".
-- Touches: order_event (update).
create or replace function orderbell.order_moved() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_seqs bigint[];
begin
	select array_agg(e.seq) into v_seqs
	from orderbell.order_event e
	where e.order_id = new.id and e.merchant_id = new.merchant_id
		and e.acked_at is null and e.seq is not null;
	if v_seqs is not null then
		perform orderbell.ack(new.merchant_id, v_seqs, 'order');
	end if;
	return null;
end $$;
comment on function orderbell.order_moved() is 'Trigger: an order that moves on acks its events.';
