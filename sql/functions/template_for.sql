-- orderbell.template_for(type, order_table, merchant_id) - the texts that table template has for
-- such an event, each from the closest row that has it, and the language of the merchant.  Null where
-- there is none.
--
-- enable_seqscan: a plan made while the table was nearly empty would be kept while it grows.
create or replace function orderbell.template_for(
	p_type int, p_order_table text, p_merchant_id bigint,
	out content text, out voice text, out language text)
language plpgsql stable set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
begin
	select (array_agg(t.content order by t.nth) filter (where t.content is not null))[1],
		(array_agg(t.voice order by t.nth) filter (where t.voice is not null))[1], max(t.speaks)
	into content, voice, language
	from (
		select t.content, t.voice, m.language as speaks, row_number() over (order by
			t.merchant_id is null, length(t.language) desc nulls last, t.order_table is null) as nth
		from orderbell.template t
		left join orderbell.merchant m on m.id = p_merchant_id
		where t.type = p_type
			and coalesce(t.merchant_id, 0) in (0, p_merchant_id)
			and (t.language is null or lower(t.language) = lower(m.language)
				or starts_with(lower(m.language), lower(t.language) || '-'))
			and (t.order_table is null or t.order_table = p_order_table)) t;
end $$;
comment on function orderbell.template_for(int, text, bigint) is
	'Internal: the texts that table template has for such an event.';
