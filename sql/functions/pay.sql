-- orderbell.pay(number, amount, ...) - a payment has come in.
--   p_amount           what was paid; null: not compared (sandbox)
--   p_gateway          who says so
--   p_transaction_id   the gateway's own id of the payment
--   p_bell             'commit': rings with the commit; 'later': the caller calls orderbell.ring()
--                      once it has committed; 'alone': so he does, and besides commits at once and
--                      pays nothing else in this transaction.  Its event is written with its seq
--                      then and not twice, which saves PostgreSQL a third of its work; the price
--                      of a broken word: other payments of the merchant wait until the commit, and
--                      two transactions may deadlock (40P01).  So they may where an AFTER trigger
--                      of the shop's on orders, whose name comes behind orderbell_order_paid,
--                      writes rows that several payments share.
--   p_currency         of the amount; null: the shop's, which is the setting orderbell.currency
--                      (CNY where that is not set)
--   p_user_id          only an order of this user, who asks himself (sandbox); null: of any
--   p_pay_method       recorded with the order; null: left as it is
--   p_notification_id  the gateway's own id of the callback that says so, which is then kept in
--                      payment_callback; null: it is no callback
--   p_state            what that says, in the gateway's own words
-- Gives one row.  verdict:
--   paid           the order is paid by this
--   already_paid   nothing changed: gateways repeat themselves
--   paid_twice     nothing changed; another payment of a gateway has paid it
--   unknown_order, amount_differs, cancelled, refunded
--                  nothing changed
-- With the last five a payment_exception was recorded, except where a user asked: somebody must
-- look.  Only with unknown_order ask_again may be true: it was first heard of a short time ago, the
-- order may be on its way, and the gateway should come again.  event_id is the new event, null with
-- any verdict but paid.
-- Raises 22023: p_bell is none of them; 27000: a trigger of the shop's keeps the order from being
-- paid, and nobody may be told that it is.
-- Idempotent, also in parallel: the order is locked first, and who waited sees it paid.  What was
-- paid by the same transaction stays already_paid, whatever became of the order since.
-- Touches: orders (update), order_event (insert), payment_callback (insert, update),
-- payment_exception (insert).
--
-- enable_seqscan: a plan made while a table was nearly empty would be kept while it grows.
-- := instead of perform: an expression is evaluated as it is, a perform is run as a query.
create or replace function orderbell.pay(
	p_number text, p_amount numeric, p_gateway text default 'manual',
	p_transaction_id text default null, p_bell text default 'commit',
	p_currency text default null, p_user_id bigint default null, p_pay_method int default null,
	p_notification_id text default null, p_state text default null)
	returns table (verdict text, order_id bigint, merchant_id bigint, event_id bigint,
		ask_again boolean)
language plpgsql security definer
set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
	c_patience constant interval := '10 minutes';
	c_currency constant text :=
		coalesce(nullif(current_setting('orderbell.currency', true), ''), 'CNY');
	v_order orderbell.orders;
	v_event text;
	v_pay_status int;
	v_is_its_payer boolean; -- null: it is not known what paid it
	v_ignored text;
begin
	if p_bell in ('later', 'alone') then
		v_ignored := set_config('orderbell.bell', p_bell, true);
	elsif p_bell is distinct from 'commit' then
		raise 'p_bell is ''commit'', ''later'' or ''alone'', not %',
			coalesce(quote_literal(p_bell), 'null')
			using errcode = 'invalid_parameter_value';
	end if;
	ask_again := false;

	-- At first as if there were nothing to ask: what comes is an order that this pays.  What it is
	-- else may have become one meanwhile, and stays so once it is locked: hence twice.
	for i in 1 .. 2 loop
		update orderbell.orders o
		set pay_status = 1, checkout_time = clock_timestamp(),
			status = case o.status when 1 then 2 else o.status end,
			pay_method = coalesce(p_pay_method, o.pay_method)
		where o.number = p_number and o.pay_status = 0 and o.status <= 5
			and (p_user_id is null or o.user_id = p_user_id)
			and (p_amount is null or o.amount = p_amount)
			and (p_currency is null or p_currency = c_currency)
		returning o.id, o.merchant_id, o.pay_status into order_id, merchant_id, v_pay_status;
		if v_pay_status = 1 then
			verdict := 'paid';
			exit;
		end if;

		select o.* into v_order from orderbell.orders o
		where o.number = p_number and (p_user_id is null or o.user_id = p_user_id)
		for no key update;
		order_id := v_order.id;
		merchant_id := v_order.merchant_id;
		if (v_order.pay_status <> 0 or v_order.status > 5) and p_transaction_id is not null then
			select bool_or(c.transaction_id = p_transaction_id) into v_is_its_payer
			from orderbell.payment_callback c where c.number = p_number and c.verdict = 'paid';
		end if;
		verdict := case
			when v_order.id is null then 'unknown_order'
			when v_is_its_payer then 'already_paid'
			when v_order.pay_status = 1 and not v_is_its_payer then 'paid_twice'
			when v_order.pay_status = 1 then 'already_paid'
			when v_order.pay_status = 2 or v_order.status = 7 then 'refunded'
			when v_order.status = 6 then 'cancelled'
			when v_order.amount <> p_amount or c_currency <> p_currency then 'amount_differs'
			else 'paid' end;
		exit when verdict <> 'paid';
	end loop;

	if verdict = 'paid' then
		if v_pay_status is distinct from 1 then
			raise 'order % does not become paid: a trigger of orders keeps it from that', p_number
				using errcode = 'triggered_data_change_violation';
		end if;
		v_event := case when p_bell = 'alone' then current_setting('orderbell.event', true) end;
		if split_part(v_event, ' ', 1) = order_id::text then
			event_id := split_part(v_event, ' ', 2); -- order_paid() has told it
		else
			select e.id into event_id from orderbell.order_event e
			where e.order_id = pay.order_id and e.order_table is null and e.type = 1
			order by e.created_at desc limit 1;
		end if;
	elsif verdict <> 'already_paid' and p_user_id is null then
		perform orderbell.record_exception(verdict, v_order.merchant_id, v_order.id, p_number,
			p_amount, p_gateway, p_transaction_id, case verdict when 'amount_differs' then
				format('%s %s were paid, the order says %s %s', p_amount,
					coalesce(p_currency, c_currency), v_order.amount, c_currency) end);
		ask_again := verdict = 'unknown_order' and exists (
			select from orderbell.payment_exception x
			where x.kind = verdict and x.gateway = p_gateway
				and x.transaction_id = p_transaction_id and x.number = p_number
				and x.created_at > clock_timestamp() - c_patience);
	end if;
	if p_notification_id is not null then
		v_ignored := orderbell.record_callback(p_gateway, p_notification_id, p_number,
			p_transaction_id, p_state, verdict);
	end if;
	return next;
end $$;
comment on function orderbell.pay(
	text, numeric, text, text, text, text, bigint, int, text, text) is
	'A payment has come in: pays the order once, or says why not.';
