-- orderbell.pay(number, ...) - a payment has come in.
--   p_amount          what was paid; null: not compared (sandbox)
--   p_gateway         who says so
--   p_transaction_id  the gateway's own id of the payment
--   p_bell            'commit': rings with the commit; 'later': the caller calls orderbell.ring()
--                     once it has committed
--   p_user_id         only an order of this user (sandbox); null: of any
--   p_pay_method      recorded with the order; null: left as it is
-- Gives one row.  verdict: paid; already_paid (nothing changed: gateways repeat themselves); or, with
-- a payment_exception and nothing else changed: unknown_order, amount_differs, cancelled, refunded.
-- event_id is that of the new event, null otherwise.  Idempotent, also in parallel.
-- Touches: orders (update), order_event (insert), payment_exception (insert).
create or replace function orderbell.pay(
	p_number text, p_amount numeric, p_gateway text default 'manual',
	p_transaction_id text default null, p_bell text default 'commit',
	p_user_id bigint default null, p_pay_method int default null)
	returns table (verdict text, order_id bigint, merchant_id bigint, event_id bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_order orderbell.orders;
begin
	select o.* into v_order from orderbell.orders o
	where o.number = p_number and (p_user_id is null or o.user_id = p_user_id)
	for no key update;
	order_id := v_order.id;
	merchant_id := v_order.merchant_id;
	verdict := case
		when v_order.id is null then 'unknown_order'
		when v_order.pay_status = 1 then 'already_paid'
		when v_order.pay_status = 2 then 'refunded'
		when v_order.status = 6 then 'cancelled'
		when v_order.amount <> p_amount then 'amount_differs'
		else 'paid' end;
	if verdict = 'already_paid' then
		return next;
		return;
	end if;
	if verdict <> 'paid' then
		perform orderbell.record_exception(verdict, v_order.merchant_id, v_order.id, p_number,
			p_amount, p_gateway, p_transaction_id,
			case verdict when 'amount_differs' then 'the order says ' || v_order.amount end);
		return next;
		return;
	end if;
	if p_bell = 'later' then
		perform set_config('orderbell.bell', 'later', true);
	end if;
	perform set_config('orderbell.event_id', '', true);
	update orderbell.orders o
	set pay_status = 1, checkout_time = now(),
		status = case o.status when 1 then 2 else o.status end,
		pay_method = coalesce(p_pay_method, o.pay_method)
	where o.id = v_order.id;
	event_id := nullif(current_setting('orderbell.event_id', true), '')::bigint;
	return next;
end $$;
comment on function orderbell.pay(text, numeric, text, text, text, bigint, int)
	is 'A payment has come in: pays the order once, or says why not.';
