-- orderbell.order_paid() - trigger: an order has become paid, by whatever statement; its merchant
-- is to know.  One that was cancelled or refunded before makes a payment_exception instead.
-- A row that a dump brings back has its event in the dump.
-- With `set local orderbell.quiet = on` nothing happens: for importing history.
-- Apart from locks it never fails the shop's statement.
-- Where pay() pays alone the event gets its seq at once: see there.  Which it is, is left in the
-- setting orderbell.event for it.  One of a merchant that does not exist is number_events()' affair.
-- Touches: order_event (insert), payment_exception (insert); alone: stream (update).
create or replace function orderbell.order_paid() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_seq bigint;
	v_event_id bigint;
	v_content text;
	v_details jsonb;
	v_ignored text;
begin
	if new.pay_status <> 1 or current_setting('orderbell.quiet', true) <> ''
	and orderbell.quiet_by() is not null then
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
	if current_setting('orderbell.bell', true) = 'alone' then
		update orderbell.stream s set seq = s.seq + 1 where s.merchant_id = new.merchant_id
		returning s.seq into v_seq;
	end if;

	-- The short way for most: nothing to tell but number and amount.  In one statement, since each
	-- costs a payment some us, and so does jsonb_build_object().
	insert into orderbell.order_event as e (merchant_id, seq, type, order_id, content, details)
	select new.merchant_id, v_seq, 1, new.id, '订单号:' || new.number,
		('{"amount": "' || new.amount || coalesce('", "currency": "'
			|| substring(current_setting('orderbell.currency', true), '^[A-Z]{3}$'), '') || '"}')::jsonb
	where new.items is null and not exists (
		select from orderbell.template t
		where t.type = 1 and coalesce(t.merchant_id, 0) in (0, new.merchant_id))
	returning e.id into v_event_id;
	if v_event_id is null then
		begin
			select o.content, o.details into v_content, v_details
			from orderbell.order_told(1, new) o;
		exception when others then
			v_content := '订单号:' || new.number;
			perform orderbell.record_exception('bad_template', new.merchant_id, new.id, '', null,
				'orderbell.orders', md5(''), sqlerrm);
		end;
		insert into orderbell.order_event as e (merchant_id, seq, type, order_id, content, details)
		values (new.merchant_id, v_seq, 1, new.id, v_content, v_details)
		returning e.id into v_event_id;
	end if;

	if v_seq is not null then
		v_ignored := set_config('orderbell.event', new.id || ' ' || v_event_id, true);
		-- It does not ring; most of the time that leaves announce() nothing to do.
		if current_setting('synchronous_commit') = 'off'
		or current_setting('max_prepared_transactions') <> '0' then
			v_ignored := orderbell.announce(array[new.merchant_id], array[v_seq]);
		end if;
	end if;
	return null;
end $$;
comment on function orderbell.order_paid() is 'Trigger: a paid order becomes an event.';
