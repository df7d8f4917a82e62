-- orderbell.order_paid() - trigger: an order has become paid, by whatever statement; its merchant
-- is to know.  One that was cancelled or refunded before makes a payment_exception instead.
-- A row that a dump brings back has its event in the dump.
-- With `set local orderbell.quiet = on` nothing happens: for importing history.
-- Never fails the shop's statement.
-- Touches: order_event (insert), payment_exception (insert).
create or replace function orderbell.order_paid() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	if orderbell.quiet_by() is not null then
		return null;
	end if;
	if tg_op = 'INSERT' and orderbell.is_restored() then
		return null;
	end if;
	if new.status in (6, 7) then
		perform orderbell.record_exception(
			case new.status when 6 then 'cancelled' else 'refunded' end, new.merchant_id, new.id,
			new.number, new.amount, null, null, 'marked as paid by SQL after that');
		return null;
	end if;
	insert into orderbell.order_event (merchant_id, type, order_id, content)
	values (new.merchant_id, 1, new.id, '订单号:' || new.number);
	return null;
end $$;
comment on function orderbell.order_paid() is 'Trigger: a paid order becomes an event.';
