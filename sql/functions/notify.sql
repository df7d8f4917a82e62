-- orderbell.notify(merchant_id, type, content, order_id, details) - rings with a text of the shop's
-- own, durably.
--   p_type     1 and 2 are a paid order's and a reminder's, all else is the shop's own
--   p_details  null, or an object of any of these; see orderbell.details():
--              {"amount": "38.50", "currency": "CNY", "items": [{"name": "Noodles", "quantity": 2}],
--              "voice": "to be spoken", "language": "en"}
-- Returns the id of the event (its seq is given at commit).
-- Raises OB404: no such merchant; 22023: p_type < 1, p_content longer than 32 KiB, or
-- p_details not as they must be.
-- Touches: order_event (insert).
create or replace function orderbell.notify(
	p_merchant_id bigint, p_type int, p_content text, p_order_id bigint default null,
	p_details jsonb default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_details jsonb;
	v_bad text;
	v_id bigint;
begin
	if p_type is null or p_type < 1 then
		raise 'p_type is 1 or more, not %', p_type using errcode = 'invalid_parameter_value';
	end if;
	if octet_length(p_content) > 32768 then
		raise 'p_content is longer than 32 KiB' using errcode = 'invalid_parameter_value';
	end if;
	if p_details is not null then
		if jsonb_typeof(p_details) <> 'object' then
			raise 'p_details is an object, not %', jsonb_typeof(p_details)
				using errcode = 'invalid_parameter_value';
		end if;
		v_details := coalesce(orderbell.details(p_details ->> 'amount', p_details ->> 'currency',
			p_details -> 'items', p_details ->> 'voice', p_details ->> 'language'), '{}');
		-- What is bad was left out, or cut.
		select string_agg(k, ', ' order by k) into v_bad from jsonb_object_keys(p_details) k
		where v_details -> k is null or k <> 'items' and p_details -> k <> v_details -> k;
		if v_bad is not null then
			raise 'p_details has what is not as it must be: %', v_bad
				using errcode = 'invalid_parameter_value', hint = '{"amount": "38.50", '
					'"currency": "CNY", "items": [{"name": "Noodles", "quantity": 2}], '
					'"voice": "at most 500 bytes", "language": "en"}';
		end if;
	end if;
	perform from orderbell.merchant m where m.id = p_merchant_id;
	if not found then
		raise 'no such merchant: %', p_merchant_id using errcode = 'OB404';
	end if;
	insert into orderbell.order_event (merchant_id, type, order_id, content, details)
	values (p_merchant_id, p_type, p_order_id, p_content, nullif(v_details, '{}'))
	returning id into v_id;
	return v_id;
end $$;
comment on function orderbell.notify(bigint, int, text, bigint, jsonb) is
	'Rings at a merchant with a type and text of your own.';
