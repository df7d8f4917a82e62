-- orderbell.items_of(items) - what was ordered, as terminals are told of it: {"items": [...]} with
-- at most 50 items and 4 KiB, and "items_more", how many there are besides: those that do not fit,
-- and those that have no name.
--   p_items  an array of objects and texts, or one of them; see orderbell.item_of()
-- Null where there is none.
-- Touches: nothing.
-- Internal: the search_path is its caller's; to set it again would cost 3 us.
create or replace function orderbell.items_of(p_items jsonb) returns jsonb
language plpgsql immutable as $$
declare
	c_items_max constant int := 50;
	c_bytes_max constant int := 4096;
	v_all constant jsonb := case coalesce(jsonb_typeof(p_items), 'null')
		when 'array' then p_items when 'null' then null else jsonb_build_array(p_items) end;
	v_items jsonb;
	v_more int;
begin
	if v_all is null then
		return null;
	end if;
	select coalesce(jsonb_agg(k.item order by k.nth), '[]') into v_items
	from (
		select i.nth, i.item, sum(octet_length(i.item::text) + 2) over (order by i.nth) as bytes
		from (
			select e.nth, orderbell.item_of(e.value) as item
			from jsonb_array_elements(v_all) with ordinality as e (value, nth)
			where e.nth <= c_items_max) i
		where i.item is not null) k
	where k.bytes <= c_bytes_max;
	v_more := jsonb_array_length(v_all) - jsonb_array_length(v_items);
	return nullif(jsonb_strip_nulls(jsonb_build_object('items', nullif(v_items, '[]'),
		'items_more', nullif(v_more, 0))), '{}');
end $$;
comment on function orderbell.items_of(jsonb) is
	'Internal: what was ordered, as much of it as fits.';
