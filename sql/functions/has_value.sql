-- orderbell.has_value(row, column, values) - the condition of a trigger that a column of row new or
-- old has one of these values, or, where they are null, any.  Null where there is no column.
-- Touches: nothing.  Internal.
create or replace function orderbell.has_value(p_row text, p_column text, p_values text[])
	returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
	select case when p_values is null then format('(%s.%I is not null)', p_row, p_column)
		else format('(%s.%I in (%s)) is true', p_row, p_column,
			(select string_agg(quote_literal(v.value), ', ') from unnest(p_values) as v (value))) end
	where p_column is not null
$$;
comment on function orderbell.has_value(text, text, text[]) is
	'Internal: the condition that a column has one of these values.';
