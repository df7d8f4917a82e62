-- orderbell.order_moved() - trigger: an order has moved on (confirmed, sent, cancelled ...), so
-- somebody has seen it: its events are acked by "order".
-- Never fails the shop's statement, and never waits.
-- Touches: order_event (update).
create or replace function orderbell.order_moved() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	perform orderbell.ack_moved(null, new.id);
	return null;
end $$;
comment on function orderbell.order_moved() is
	'Trigger: an order that moves on acks its events.';
