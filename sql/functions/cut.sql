-- orderbell.cut(text, bytes) - the text, or as much of its beginning as fits, with an ellipsis.
-- Touches: nothing.  Internal.
create or replace function orderbell.cut(p_text text, p_bytes int) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
	v_over int := octet_length(p_text) - p_bytes;
	v_text text := p_text;
begin
	-- A character has four bytes at most: each round takes a quarter of what is left, or the last.
	while v_over > 0 loop
		v_text := left(v_text, -greatest(v_over / 4, 1));
		v_over := octet_length(v_text) + octet_length('…') - p_bytes;
	end loop;
	return case when v_text = p_text then p_text else v_text || '…' end;
end $$;
comment on function orderbell.cut(text, int) is 'Internal: as much of a text as fits.';
