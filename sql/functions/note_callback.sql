-- orderbell.note_callback(gateway, notification_id, ...) - a gateway's callback was proven to be
-- genuine, but pays nothing; those that do are orderbell.pay()'s.
--   p_verdict  ignored: it says of no payment.  malformed, sealed: it may, but cannot be read, or
--              not with our key: somebody must look, and whoever listens on order_alerts is told,
--              once per notification.
--   p_number   the order it names; null or empty: none, or it is not known
-- Once this is committed the gateway need not send it again.
-- Raises 22023: no such verdict.
-- Touches: payment_callback (insert, update).
create or replace function orderbell.note_callback(
	p_gateway text, p_notification_id text, p_verdict text, p_number text default null,
	p_transaction_id text default null, p_state text default null, p_detail text default null)
	returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_is_new boolean;
begin
	if p_verdict is null or p_verdict not in ('ignored', 'malformed', 'sealed') then
		raise 'p_verdict is ''ignored'', ''malformed'' or ''sealed'', not %',
			coalesce(quote_literal(p_verdict), 'null')
			using errcode = 'invalid_parameter_value';
	end if;
	v_is_new := orderbell.record_callback(p_gateway, p_notification_id, p_number,
		p_transaction_id, p_state, p_verdict, p_detail);
	if v_is_new and p_verdict <> 'ignored' then
		perform orderbell.alert_payment(json_build_object('alert', 'payment_callback',
			'kind', p_verdict, 'gateway', p_gateway));
	end if;
	perform orderbell.keep_for_sure();
end $$;
comment on function orderbell.note_callback(text, text, text, text, text, text, text) is
	'Keeps a genuine callback that pays nothing.';
