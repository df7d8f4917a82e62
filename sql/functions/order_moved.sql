-- orderbell.order_moved() - trigger: an order has moved on (confirmed, sent, cancelled ...), so
-- somebody has seen it: its events are acked by "order".  One that is paid and confirmed by one
-- statement is news, and rings.
-- Never fails the shop's statement, and never waits.
-- Touches: order_event (update).
create or replace function orderbell.order_moved() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	if new.status > old.status and (old.pay_status = 1 or new.pay_status <> 1) then
		perform orderbell.ack_moved(null, new.id);
	end if;
	return null;
end $$;
comment on function orderbell.order_moved() is
	'Trigger: an order that moves on acks its events.';
