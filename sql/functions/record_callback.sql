-- orderbell.record_callback(...) - keeps that a gateway's callback came, or came again.  Returns
-- whether it is the first time.
-- Touches: payment_callback (insert, update).
-- Internal: the search_path is its caller's; to set it again would cost every payment 3 us.
create or replace function orderbell.record_callback(
	p_gateway text, p_notification_id text, p_number text, p_transaction_id text, p_state text,
	p_verdict text, p_detail text default null) returns boolean
language plpgsql as $$
declare
	v_count int;
begin
	insert into orderbell.payment_callback as c
		(number, gateway, notification_id, transaction_id, state, verdict, detail)
	values (left(coalesce(p_number, ''), 200), p_gateway, left(p_notification_id, 300),
		left(p_transaction_id, 200), left(p_state, 100), p_verdict, p_detail)
	on conflict (number, gateway, notification_id) do update
	set last_at = clock_timestamp(), count = c.count + 1,
		transaction_id = coalesce(c.transaction_id, excluded.transaction_id),
		state = excluded.state,
		verdict = case c.verdict when 'paid' then c.verdict else excluded.verdict end,
		detail = case c.verdict when 'paid' then c.detail else excluded.detail end
	returning c.count into v_count;
	return v_count = 1;
end $$;
comment on function orderbell.record_callback(text, text, text, text, text, text, text) is
	'Internal: keeps that a gateway''s callback came.';
