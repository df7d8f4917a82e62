-- orderbell.record_exception(...) - keeps a payment for a person to look at, and tells whoever
-- listens on order_alerts.  The same one of a gateway again changes nothing.
-- Touches: payment_exception (insert).  Internal.
create or replace function orderbell.record_exception(
	p_kind text, p_merchant_id bigint, p_order_id bigint, p_number text, p_amount numeric,
	p_gateway text, p_transaction_id text, p_detail text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	insert into orderbell.payment_exception
		(kind, merchant_id, order_id, number, amount, gateway, transaction_id, detail)
	values (p_kind, p_merchant_id, p_order_id, left(p_number, 200), p_amount, p_gateway,
		left(p_transaction_id, 200), p_detail)
	on conflict do nothing;
	if found then
		perform orderbell.alert_payment(json_build_object('alert', 'payment_exception',
			'kind', p_kind, 'merchant', p_merchant_id, 'orderId', p_order_id));
	end if;
	perform orderbell.keep_for_sure();
end $$;
comment on function orderbell.record_exception(
	text, bigint, bigint, text, numeric, text, text, text) is
	'Internal: keeps a payment for a person to look at.';
