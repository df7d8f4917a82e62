-- orderbell.order_paid() - trigger: an order has become paid, by whatever statement; its merchant
-- is to know.  One that was cancelled or refunded before makes a payment_exception instead.
-- A row that a dump brings back has its event in the dump.
-- With `set local orderbell.quiet = on` nothing happens: for importing history.
-- Never fails the shop's statement: where its texts cannot be had for a lock, the number is told.
-- Touches: order_event (insert), payment_exception (insert).
create or replace function orderbell.order_paid() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_currency constant text := current_setting('orderbell.currency', true);
	v_content text := '订单号:' || new.number;
	v_details jsonb := case when v_currency ~ '^[A-Z]{3}$'
		then jsonb_build_object('amount', new.amount::text, 'currency', v_currency)
		else jsonb_build_object('amount', new.amount::text) end;
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
	-- Mostly that is all there is to tell.
	begin
		if new.items is not null or exists (
			select from orderbell.template t
			where t.type = 1 and coalesce(t.merchant_id, 0) in (0, new.merchant_id)) then
			select o.content, o.details into v_content, v_details
			from orderbell.order_told(1, new) o;
		end if;
	exception when others then
		perform orderbell.record_exception('bad_template', new.merchant_id, new.id, '', null,
			'orderbell.orders', md5(''), sqlerrm);
	end;
	insert into orderbell.order_event (merchant_id, type, order_id, content, details)
	values (new.merchant_id, 1, new.id, v_content, v_details);
	return null;
end $$;
comment on function orderbell.order_paid() is 'Trigger: a paid order becomes an event.';
