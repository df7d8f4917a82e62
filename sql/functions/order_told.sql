-- orderbell.order_told(type, order) - what the event of an order in orders says: its content, which
-- is the number or what table template has, and its details.
-- A template that does not fit makes a payment_exception, and the number is told.
-- Touches: payment_exception (insert).  Internal.
create or replace function orderbell.order_told(
	p_type int, p_order orderbell.orders, out content text, out details jsonb)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	c_table constant text := 'orderbell.orders';
	v_template text;
	v_voice_template text;
	v_language text;
	v_names text[];
	v_picked text[];
	v_voice text;
	v_bad text;
begin
	if exists (
		select from orderbell.template t
		where t.type = p_type and coalesce(t.merchant_id, 0) in (0, p_order.merchant_id)) then
		select t.content, t.voice, t.language into v_template, v_voice_template, v_language
		from orderbell.template_for(p_type, c_table, p_order.merchant_id) t;
	end if;
	if num_nonnulls(v_template, v_voice_template) > 0 then
		v_names := orderbell.placeholders(v_template) || orderbell.placeholders(v_voice_template);
		execute orderbell.picks(c_table::regclass, v_names) into v_picked using p_order;
		content := left(orderbell.fill(v_template, v_names, v_picked), 8192);
		v_voice := orderbell.fill(v_voice_template, v_names, v_picked);
		v_bad := case when content is null then v_template
			when v_voice is null then v_voice_template end;
		if v_bad is not null then
			perform orderbell.record_exception('bad_template', p_order.merchant_id, p_order.id, '',
				null, c_table, md5(v_bad),
				format('%s does not have all columns of %L', c_table, v_bad));
		end if;
	end if;
	content := coalesce(nullif(content, ''), '订单号:' || p_order.number);
	details := orderbell.details(p_order.amount::text, current_setting('orderbell.currency', true),
		p_order.items, v_voice, v_language);
end $$;
comment on function orderbell.order_told(int, orderbell.orders) is
	'Internal: what the event of an order says.';
