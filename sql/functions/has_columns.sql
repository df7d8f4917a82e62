-- orderbell.has_columns(table, columns, numbers) - raises 42703 where the table does not have all
-- of these columns, 42804 where one of p_numbers is no number.  Nulls are passed over.
-- Touches: nothing.  Internal.
create or replace function orderbell.has_columns(
	p_table regclass, p_columns text[], p_numbers text[]) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
	v_missing text;
	v_has text;
	v_type text;
begin
	select string_agg(distinct quote_ident(c.name), ', ') into v_missing
	from unnest(p_columns) as c (name)
	where not exists (select from pg_attribute a where a.attrelid = p_table
			and a.attname = c.name and a.attnum > 0 and not a.attisdropped);
	if v_missing is not null then
		select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into v_has
		from pg_attribute a where a.attrelid = p_table and a.attnum > 0 and not a.attisdropped;
		raise '% has no column %', p_table, v_missing
			using errcode = 'undefined_column', hint = 'It has ' || coalesce(v_has, 'none') || '.';
	end if;
	select string_agg(format('%I is %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ')
	into v_type
	from pg_attribute a join pg_type t on t.oid = a.atttypid
	where a.attrelid = p_table and a.attname = any (p_numbers) and a.attnum > 0
		and not a.attisdropped and t.typcategory <> 'N';
	if v_type is not null then
		raise '% has to be a number: %', p_table, v_type using errcode = 'datatype_mismatch',
			hint = 'p_id_column => null does without orderId, p_merchant_id names one merchant.';
	end if;
end $$;
comment on function orderbell.has_columns(regclass, text[], text[]) is
	'Internal: raises where a table has not all these columns.';
