-- orderbell.new_epoch(merchant_id) - says that seqs of a stream may repeat: after the tables were
-- restored by hand (a promotion and a point-in-time restore are noticed without it).
--   p_merchant_id  null: all merchants
-- Also mends what such a restore leaves: a stream that is behind its own events is taken up to
-- them; and where it is all merchants, so are the ids of new events, and what was noted (in
-- delivery and alert) of events that are not there is forgotten, for their ids come again.
-- Terminals start from the un-acked events.  Returns how many streams it was.
-- Touches: stream (update), delivery (delete), alert (delete), the sequence of order_event.id.
create or replace function orderbell.new_epoch(p_merchant_id bigint default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_n bigint;
begin
	if p_merchant_id is null then
		-- Where they are behind, every payment fails, so nobody takes one from it meanwhile.
		perform setval('orderbell.order_event_id_seq', e.id) from (
			select max(e.id) as id from orderbell.order_event e) e
		where e.id > (select q.last_value from orderbell.order_event_id_seq q);
		delete from orderbell.delivery d
		where not exists (select from orderbell.order_event e where e.id = d.event_id);
		delete from orderbell.alert a
		where not exists (select from orderbell.order_event e where e.id = a.event_id);
	end if;
	perform from orderbell.stream s
	where p_merchant_id is null or s.merchant_id = p_merchant_id
	order by s.merchant_id
	for no key update;
	update orderbell.stream s
	set epoch = left(gen_random_uuid()::text, 8),
		seq = greatest(s.seq, (select max(e.seq) from orderbell.order_event e
			where e.merchant_id = s.merchant_id and e.seq is not null))
	where p_merchant_id is null or s.merchant_id = p_merchant_id;
	get diagnostics v_n = row_count;
	-- The notifiers find out by themselves within a second; a full queue must not hinder it.
	if v_n > 0 and pg_notification_queue_usage() < 0.9 then
		perform pg_notify('order_control', json_build_object('new_epoch', true,
			'merchant', p_merchant_id)::text);
	end if;
	return v_n;
end $$;
comment on function orderbell.new_epoch(bigint) is
	'After restoring tables by hand: says that seqs may repeat.';
