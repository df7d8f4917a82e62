-- orderbell.attach(table, paid column, paid values, ...) - orders of a shop's own table ring from
-- now on, by whatever statement they become paid.  Again: as it is said now.
--   p_table            with its schema; it may be partitioned
--   p_paid_column      an order is paid when this column comes to have one of
--   p_paid_values      these values: '{1}', '{true}', '{wc-processing}'; null: any (paid_at)
--   p_merchant_column  which merchant's the order is, or
--   p_merchant_id      the merchant whose they all are
--   p_id_column        what terminals know the order by (orderId); null: it has no such number
--   p_content          the text, with columns in braces: 'No. {number}, {total} CNY'; braces of its
--                      own are doubled.  Table template may have others, by merchant and language.
--   p_moved_column, p_moved_values
--                      an order that comes to have one of these has been seen: its events are acked
--   p_remind_column    the customer reminds when this column changes, while the order is paid
--                      (reminded_at); one a minute counts
--   p_remind_content   the text of that; null: as p_content
--   p_amount_column    what terminals show as the order's amount,
--   p_currency_column  and its currency, as ISO 4217 has it; null: the setting orderbell.currency,
--                      if there is one
--   p_items_column     what they show as ordered: json or jsonb, an array of objects {"name",
--                      "quantity", "note"} or of texts; text[]; or text, an item a line
-- Raises, always before anything is changed:
--   42501  not the table's owner, nor a member of that role
--   42703  no such column, or one that a text names
--   42804  the id's or merchant's column is no number, or that of the items has none
--   42809  no table, a partition (attach what it is a partition of), or one of orderbell's own
--   22023  arguments that do not go together
--   OB404  no such merchant
--   and what the server says where a value is none of the column's type
-- It waits for the table at most 5 s (55P03): meanwhile the shop's own writers wait behind it.
-- Touches: the table (makes triggers named orderbell_attached_...).
create or replace function orderbell.attach(
	p_table regclass, p_paid_column text, p_paid_values text[] default null,
	p_merchant_column text default null, p_merchant_id bigint default null,
	p_id_column text default 'id', p_content text default null,
	p_moved_column text default null, p_moved_values text[] default null,
	p_remind_column text default null, p_remind_content text default null,
	p_amount_column text default null, p_currency_column text default null,
	p_items_column text default null) returns void
language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
declare
	v_content constant text := coalesce(p_content, '订单号:{' || p_id_column || '}');
	v_remind_content constant text := coalesce(p_remind_content, v_content);
	v_name text;
	v_is_partitioned boolean;
	v_is_paid text;
	v_was_paid text;
	v_is_moved text;
	v_was_moved text;
	v_who text;
	v_more text;
begin
	if p_paid_column is null or p_paid_values = '{}' then
		raise 'p_paid_column is needed, and p_paid_values or null'
			using errcode = 'invalid_parameter_value';
	end if;
	if p_moved_values = '{}' or p_moved_column is null and p_moved_values is not null
	or p_remind_column is null and p_remind_content is not null then
		raise 'p_moved_values want p_moved_column, p_remind_content wants p_remind_column'
			using errcode = 'invalid_parameter_value';
	end if;
	if num_nonnulls(p_merchant_column, p_merchant_id) <> 1 then
		raise 'one of p_merchant_column and p_merchant_id is needed'
			using errcode = 'invalid_parameter_value';
	end if;
	if p_currency_column is not null and p_amount_column is null then
		raise 'p_currency_column wants p_amount_column' using errcode = 'invalid_parameter_value';
	end if;
	if p_id_column is null and num_nonnulls(p_moved_column, p_remind_column) > 0 then
		raise 'without p_id_column nobody knows which order moves on or is reminded of'
			using errcode = 'invalid_parameter_value';
	end if;
	if v_content is null or v_content = '' or v_remind_content = ''
	or octet_length(v_content) > 8192 or octet_length(v_remind_content) > 8192 then
		raise 'a text of 1 to 8192 bytes is needed: p_content'
			using errcode = 'invalid_parameter_value';
	end if;

	select format('%I.%I', c.table_schema, c.table_name), c.is_partitioned
	into v_name, v_is_partitioned
	from orderbell.attachable(p_table) c;
	perform orderbell.has_columns(p_table, array[p_paid_column, p_merchant_column, p_id_column,
		p_moved_column, p_remind_column, p_amount_column, p_currency_column, p_items_column]
		|| orderbell.placeholders(v_content) || orderbell.placeholders(v_remind_content),
		array[p_id_column, p_merchant_column]);
	if p_merchant_id is not null then
		perform from orderbell.merchant m where m.id = p_merchant_id;
		if not found then
			raise 'no such merchant: %', p_merchant_id using errcode = 'OB404';
		end if;
	end if;

	-- "is true": null is never one of the values.
	v_is_paid := orderbell.has_value('new', p_paid_column, p_paid_values);
	v_was_paid := orderbell.has_value('old', p_paid_column, p_paid_values);
	v_is_moved := orderbell.has_value('new', p_moved_column, p_moved_values);
	v_was_moved := orderbell.has_value('old', p_moved_column, p_moved_values);
	v_who := format('%L, %L, %L, %L', v_name, coalesce(p_id_column, ''),
		coalesce(p_merchant_column, ''), coalesce(p_merchant_id::text, ''));
	v_more := format('%L, %L, %L, %L', coalesce(p_amount_column, ''),
		coalesce(p_currency_column, ''), coalesce(p_items_column, ''), case
		when p_items_column is null then '' else orderbell.items_kind(p_table, p_items_column) end);

	perform orderbell.drop_attached(p_table);
	execute format('create trigger orderbell_attached_made_paid after insert on %s for each row '
		'when (%s) execute function orderbell.attached_ring(1, %s, %L, %s)',
		p_table, v_is_paid, v_who, v_content, v_more);
	execute format('create trigger orderbell_attached_paid after update on %s for each row '
		'when (%s and not %s) execute function orderbell.attached_ring(1, %s, %L, %s)',
		p_table, v_is_paid, v_was_paid, v_who, v_content, v_more);
	if p_remind_column is not null then
		execute format('create trigger orderbell_attached_reminded after update on %s for each row '
			'when (new.%I is not null and new.%2$I is distinct from old.%2$I and %s and %s) '
			'execute function orderbell.attached_ring(2, %s, %L, %s)',
			p_table, p_remind_column, v_is_paid, v_was_paid, v_who, v_remind_content,
			v_more);
	end if;
	if p_moved_column is not null then
		-- By their names these come before those that ring: an order that is paid and moves on by
		-- one statement is news.
		execute format('create trigger orderbell_attached_moved after update on %s for each row '
			'when (%s and not %s) execute function orderbell.attached_moved(%L, %L)',
			p_table, v_is_moved, v_was_moved, v_name, p_id_column);
		-- One that moves on into another partition is inserted there.
		if v_is_partitioned then
			execute format('create trigger orderbell_attached_made_moved after insert on %s '
				'for each row when (%s) execute function orderbell.attached_moved(%L, %L)',
				p_table, v_is_moved, v_name, p_id_column);
		end if;
	end if;
end $$;
comment on function orderbell.attach(
	regclass, text, text[], text, bigint, text, text, text, text[], text, text, text, text, text) is
	'Orders of a shop''s own table ring from now on.';
