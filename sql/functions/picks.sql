-- orderbell.picks(table, columns) - a query that gives an array with these columns of a row $1 as
-- text: '' where the row has null, null where the table has no such column.
--
-- It takes nothing but the columns themselves, and concat() knows no casts: the triggers run it as
-- their owner, and a type of the shop's own could have a cast to text or json that does what the
-- shop likes.
create or replace function orderbell.picks(p_table oid, p_columns text[]) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
	v_name text;
	v_picks text[];
	v_is_there boolean; -- or it is an error
begin
	-- The short way, where all are there; to ask for them by a query takes three times as long.
	begin
		foreach v_name in array p_columns loop
			if v_name <> '' then
				v_is_there := has_column_privilege(p_table, v_name, 'select') is not null;
				v_picks := v_picks || format('concat(($1).%I)', v_name);
			else
				v_picks := v_picks || 'null'::text;
			end if;
		end loop;
		return format('select array[%s]::text[]', array_to_string(v_picks, ', '));
	exception when undefined_column then
		null;
	end;
	return (
		select format('select array[%s]::text[]', string_agg(case when a.attnum is null then 'null'
			else format('concat(($1).%I)', c.name) end, ', ' order by c.nth))
		from unnest(p_columns) with ordinality as c (name, nth)
		left join pg_attribute a on a.attrelid = p_table and a.attname = c.name and a.attnum > 0
			and not a.attisdropped);
end $$;
comment on function orderbell.picks(oid, text[]) is
	'Internal: a query for columns of a row, as text.';
