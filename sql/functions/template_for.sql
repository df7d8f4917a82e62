-- orderbell.template_for(type, order_table, merchant_id) - the text that table template has for
-- such an event, or null.
--
-- enable_seqscan: a plan made while the table was nearly empty would be kept while it grows.
create or replace function orderbell.template_for(
	p_type int, p_order_table text, p_merchant_id bigint) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
begin
	return (
		select t.content
		from orderbell.template t
		left join orderbell.merchant m on m.id = p_merchant_id
		where t.type = p_type
			and coalesce(t.merchant_id, 0) in (0, p_merchant_id)
			and (t.language is null or lower(t.language) = lower(m.language)
				or starts_with(lower(m.language), lower(t.language) || '-'))
			and (t.order_table is null or t.order_table = p_order_table)
		order by t.merchant_id is null, length(t.language) desc nulls last, t.order_table is null
		limit 1);
end $$;
comment on function orderbell.template_for(int, text, bigint) is
	'Internal: the text that table template has for such an event.';
