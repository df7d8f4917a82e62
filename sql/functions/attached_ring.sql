-- orderbell.attached_ring(...) - trigger of an attached table (orderbell.attach() makes it, and
-- with it says when): an order there has become paid, or its customer reminds.
--   its arguments: the type of the event; the table's name; its columns for id and merchant ('' for
--   none); the merchant where no column tells it; the template; its columns for amount, currency
--   and items; how the items are read
-- Never fails the shop's statement: an order whose merchant is not known makes a payment_exception;
-- a template that does not fit makes one, too, and the event has the plainest text.  Reminders
-- collapse, one per order and minute.  With orderbell.quiet = on nothing happens, nor for rows that a
-- dump brings back.
-- Touches: order_event (insert), payment_exception (insert).
--
-- What it calls is in plpgsql, too: a function in SQL would be planned anew in each transaction.
create or replace function orderbell.attached_ring() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO' as $$
declare
	c_number constant text := '^[0-9]{1,18}$';
	v_type constant int := tg_argv[0];
	v_table constant text := tg_argv[1];
	v_picked text[];
	v_order_id bigint;
	v_merchant_id bigint;
	v_own_content text;
	v_template text;
	v_voice_template text;
	v_language text;
	v_names text[];
	v_filled text[];
	v_content text;
	v_voice text;
	v_details jsonb;
	v_why text;
begin
	if orderbell.quiet_by() is not null or tg_op = 'INSERT' and orderbell.is_restored() then
		return null;
	end if;

	-- With the columns of the template that is most likely wanted.
	v_names := array[tg_argv[2], tg_argv[3], tg_argv[6], tg_argv[7], tg_argv[8]]
		|| orderbell.placeholders(tg_argv[5]);
	execute orderbell.picks(tg_relid, v_names) into v_picked using new;
	v_order_id := case when v_picked[1] ~ c_number then v_picked[1] end;
	v_merchant_id := case when tg_argv[3] = '' then tg_argv[4]
		when v_picked[2] ~ c_number then v_picked[2] end;
	if v_merchant_id is null then
		perform orderbell.record_exception('unknown_merchant', null, v_order_id, null, null, v_table,
			null, format('column %s says %L', tg_argv[3], v_picked[2]));
		return null;
	end if;

	-- A row that goes over into another partition is inserted there: it is no new order.
	if tg_op = 'INSERT' and exists (
		select from pg_class c where c.oid = tg_relid and c.relispartition)
	and exists (
		select from orderbell.order_event e
		where e.order_id = v_order_id and e.order_table = v_table and e.type = v_type) then
		return null;
	end if;
	-- The order's row is locked by its update: two reminders do not pass each other here.
	if v_type = 2 and exists (
		select from orderbell.order_event e
		where e.order_id = v_order_id and e.order_table = v_table and e.type = v_type
			and e.created_at > clock_timestamp() - interval '1 minute') then
		return null;
	end if;

	v_filled := v_picked;
	v_template := tg_argv[5];
	begin
		select t.content, t.voice, t.language into v_own_content, v_voice_template, v_language
		from orderbell.template_for(v_type, v_table, v_merchant_id) t;
		if num_nonnulls(v_own_content, v_voice_template) > 0 then
			v_template := coalesce(v_own_content, v_template);
			v_names := orderbell.placeholders(v_template)
				|| orderbell.placeholders(v_voice_template);
			execute orderbell.picks(tg_relid, v_names) into v_filled using new;
		end if;
		v_content := left(orderbell.fill(v_template, v_names, v_filled), 8192);
		v_voice := orderbell.fill(v_voice_template, v_names, v_filled);
	exception when others then
		v_why := sqlerrm;
	end;
	if v_content is null or v_voice is null then
		v_template := case when v_content is null then v_template else v_voice_template end;
		perform orderbell.record_exception('bad_template', v_merchant_id, v_order_id, '', null,
			v_table, md5(coalesce(v_template, '')), coalesce(v_why,
				format('%s does not have all columns of %L', v_table, v_template)));
		v_content := coalesce(v_content, '订单号:' || coalesce(v_order_id::text, '?'));
	end if;
	if concat(tg_argv[6], tg_argv[8], v_voice) <> '' then
		v_details := orderbell.details(v_picked[3], coalesce(nullif(v_picked[4], ''),
			current_setting('orderbell.currency', true)),
			orderbell.read_items(v_picked[5], tg_argv[9]), v_voice, v_language);
	end if;
	insert into orderbell.order_event (merchant_id, type, order_id, content, order_table, details)
	values (v_merchant_id, v_type, v_order_id, v_content, v_table, v_details);
	return null;
end $$;
comment on function orderbell.attached_ring() is
	'Trigger of an attached table: a paid order, or a reminder, becomes an event.';
