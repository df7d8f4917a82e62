-- orderbell.remind(order_id, ...) - the customer asks where the food is.
--   p_user_id  only an order of this user; null: of any
--   p_bell     as in orderbell.pay()
-- Gives the event (its seq is given at commit); within a minute of the last reminder of that order
-- it is that one again, with is_new false, and nothing is written.
-- Raises OB404: no such order (of that user); OB409: it is not on its way (not paid, done,
-- cancelled, refunded); 22023: p_bell is neither.
-- Touches: orders (lock), order_event (insert).
create or replace function orderbell.remind(
	p_order_id bigint, p_user_id bigint default null, p_bell text default 'commit')
	returns table (event_id bigint, merchant_id bigint, is_new boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_order orderbell.orders;
	v_told record;
begin
	if p_bell = 'later' then
		perform set_config('orderbell.bell', 'later', true);
	elsif p_bell is distinct from 'commit' then
		raise 'p_bell is ''commit'' or ''later'', not %', coalesce(quote_literal(p_bell), 'null')
			using errcode = 'invalid_parameter_value';
	end if;

	-- The lock makes reminders of one order wait for each other, so that they can collapse.
	select o.* into v_order from orderbell.orders o
	where o.id = p_order_id and (p_user_id is null or o.user_id = p_user_id)
	for no key update;
	if not found then
		raise 'no such order' using errcode = 'OB404';
	end if;
	-- Paid by a statement that left the status alone counts as to be confirmed.
	if v_order.pay_status = 2 or not (v_order.status between 2 and 4
			or v_order.status = 1 and v_order.pay_status = 1) then
		raise 'the order is not on its way' using errcode = 'OB409',
			detail = format('status %s, pay_status %s', v_order.status, v_order.pay_status);
	end if;

	merchant_id := v_order.merchant_id;
	select e.id into event_id from orderbell.order_event e
	where e.order_id = p_order_id and e.order_table is null and e.type = 2
		and e.created_at > clock_timestamp() - interval '1 minute'
	order by e.created_at desc limit 1;
	is_new := not found;
	if is_new then
		v_told := orderbell.order_told(2, v_order);
		insert into orderbell.order_event as e (merchant_id, type, order_id, content, details)
		values (v_order.merchant_id, 2, v_order.id, v_told.content, v_told.details)
		returning e.id into event_id;
	end if;
	return next;
end $$;
comment on function orderbell.remind(bigint, bigint, text) is
	'The customer asks where the food is: an event of type 2, one per order and minute.';
