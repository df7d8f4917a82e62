-- orderbell.remind(order_id, user_id) - the customer asks where the food is.
--   p_user_id  only an order of this user; null: of any
--   p_bell     as in orderbell.pay()
-- Gives the event; within a minute of the last reminder of the order that one again, with is_new
-- false.  Raises OB404: no such order (of that user); OB409: it is not paid, or done already.
-- Touches: orders (lock), order_event (insert).
create or replace function orderbell.remind(
	p_order_id bigint, p_user_id bigint default null, p_bell text default 'commit')
	returns table (event_id bigint, merchant_id bigint, is_new boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_order orderbell.orders;
begin
	-- The lock makes reminders of one order wait for each other, so that they can collapse.
	select o.* into v_order from orderbell.orders o
	where o.id = p_order_id and (p_user_id is null or o.user_id = p_user_id)
	for no key update;
	if not found then
		raise exception 'no such order' using errcode = 'OB404';
	end if;
	if v_order.pay_status <> 1 or v_order.status not between 1 and 4 then
		raise exception 'the order is not waiting' using errcode = 'OB409',
			detail = format('status %s, pay_status %s', v_order.status, v_order.pay_status);
	end if;
	merchant_id := v_order.merchant_id;
	select e.id into event_id from orderbell.order_event e
	where e.order_id = p_order_id and e.type = 2
		and e.created_at > clock_timestamp() - interval '1 minute'
	order by e.id desc limit 1;
	is_new := not found;
	if is_new then
		if p_bell = 'later' then
			perform set_config('orderbell.bell', 'later', true);
		end if;
		insert into orderbell.order_event as e (merchant_id, type, order_id, content)
		values (v_order.merchant_id, 2, v_order.id, '订单号:' || v_order.number)
		returning e.id into event_id;
	end if;
	return next;
end $$;
comment on function orderbell.remind(bigint, bigint, text) is 'The customer asks where the food is: an event of type 2, one per order and minute.';
