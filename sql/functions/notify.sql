-- orderbell.notify(merchant_id, type, content, order_id) - rings with a text of the shop's own,
-- durably.
--   p_type  1 and 2 are a paid order's and a reminder's, all else is the shop's own
-- Returns the id of the event (its seq is given at commit).
-- Raises OB404: no such merchant; 22023: p_type < 1 or p_content longer than 32 KiB.
-- Touches: order_event (insert).
create or replace function orderbell.notify(
	p_merchant_id bigint, p_type int, p_content text, p_order_id bigint default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_id bigint;
begin
	if p_type is null or p_type < 1 then
		raise 'p_type is 1 or more, not %', p_type using errcode = 'invalid_parameter_value';
	end if;
	if octet_length(p_content) > 32768 then
		raise 'p_content is longer than 32 KiB' using errcode = 'invalid_parameter_value';
	end if;
	perform from orderbell.merchant m where m.id = p_merchant_id;
	if not found then
		raise 'no such merchant: %', p_merchant_id using errcode = 'OB404';
	end if;
	insert into orderbell.order_event (merchant_id, type, order_id, content)
	values (p_merchant_id, p_type, p_order_id, p_content)
	returning id into v_id;
	return v_id;
end $$;
comment on function orderbell.notify(bigint, int, text, bigint) is
	'Rings at a merchant with a type and text of your own.';
