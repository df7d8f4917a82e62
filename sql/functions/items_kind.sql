-- orderbell.items_kind(table, column) - how orderbell.read_items() reads that column: json, array
-- or lines.  Raises 42804 where it is of no type that can be read.
-- Touches: nothing.  Internal.
create or replace function orderbell.items_kind(p_table regclass, p_column text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
	v_type oid;
	v_kind text;
begin
	select a.atttypid into v_type from pg_attribute a
	where a.attrelid = p_table and a.attname = p_column;
	v_kind := case
		when v_type in ('json'::regtype, 'jsonb'::regtype) then 'json'
		when v_type in ('text[]'::regtype, 'varchar[]'::regtype) then 'array'
		when v_type in ('text'::regtype, 'varchar'::regtype) then 'lines' end;
	if v_kind is null then
		raise '% is of a type that has no items: %', quote_ident(p_column), v_type::regtype
			using errcode = 'datatype_mismatch', hint = 'json, jsonb, text[] and text have.';
	end if;
	return v_kind;
end $$;
comment on function orderbell.items_kind(regclass, text) is
	'Internal: how a column that has what was ordered is read.';
