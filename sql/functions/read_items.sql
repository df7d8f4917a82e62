-- orderbell.read_items(text, kind) - what was ordered, of a column of the shop's own as text: kind
-- is json, array (of texts) or lines (an item a line).  Null where it cannot be read, or is longer
-- than 256 KiB.
-- Touches: nothing.  Internal.
create or replace function orderbell.read_items(p_text text, p_kind text) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
	if p_text = '' or octet_length(p_text) > 262144 then
		return null;
	elsif p_kind = 'json' then
		return p_text::jsonb;
	end if;
	return (
		select jsonb_agg(i.name order by i.nth)
		from unnest(case p_kind when 'array' then p_text::text[]
			else regexp_split_to_array(p_text, E'\n') end) with ordinality as i (name, nth)
		where btrim(i.name, E' \t\r') <> '');
exception when others then
	return null;
end $$;
comment on function orderbell.read_items(text, text) is
	'Internal: what was ordered, of a column of the shop''s own.';
