-- orderbell.item_of(item) - one thing that was ordered, as terminals are told of it: its name (200
-- bytes), quantity and note (200 bytes).  Of a text that is the name.  Null where there is no name;
-- a quantity that is none is left out.
-- Touches: nothing.
-- Internal: the search_path is its caller's; to set it again would cost 3 us.
create or replace function orderbell.item_of(p_item jsonb) returns jsonb
language plpgsql immutable as $$
declare
	c_quantity constant text := '^[0-9]{1,6}([.][0-9]{1,8})?$';
	c_bytes_max constant int := 200;
	v_name text := case 'string' when jsonb_typeof(p_item) then p_item #>> '{}'
		when jsonb_typeof(p_item -> 'name') then p_item ->> 'name' end;
	v_quantity numeric;
	v_note text;
begin
	v_name := btrim(v_name, E' \t\r\n');
	if coalesce(v_name, '') = '' then
		return null;
	end if;
	if jsonb_typeof(p_item) = 'object' then
		if p_item ->> 'quantity' ~ c_quantity then
			v_quantity := trim_scale(round((p_item ->> 'quantity')::numeric, 3));
		end if;
		if jsonb_typeof(p_item -> 'note') = 'string' then
			v_note := btrim(p_item ->> 'note', E' \t\r\n');
		end if;
	end if;
	if octet_length(v_name) > c_bytes_max then
		v_name := orderbell.cut(v_name, c_bytes_max);
	end if;
	if octet_length(v_note) > c_bytes_max then
		v_note := orderbell.cut(v_note, c_bytes_max);
	end if;
	return jsonb_strip_nulls(jsonb_build_object('name', v_name, 'quantity', nullif(v_quantity, 0),
		'note', nullif(v_note, '')));
end $$;
comment on function orderbell.item_of(jsonb) is 'Internal: one thing that was ordered.';
