-- orderbell.attached_moved(...) - trigger of an attached table (orderbell.attach() makes it, and
-- with it says when): an order there has moved on, so its events are acked by "order".
--   its arguments: the table's name; its column for the id
-- Never fails the shop's statement, and never waits.
-- Touches: order_event (update).
create or replace function orderbell.attached_moved() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_picked text[];
begin
	execute orderbell.picks(tg_relid, array[tg_argv[1]]) into v_picked using new;
	if v_picked[1] ~ '^[0-9]{1,18}$' then
		perform orderbell.ack_moved(tg_argv[0], v_picked[1]::bigint);
	end if;
	return null;
end $$;
comment on function orderbell.attached_moved() is
	'Trigger of an attached table: an order that moves on acks its events.';
