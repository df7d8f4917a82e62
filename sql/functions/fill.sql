-- orderbell.fill(template, names, values) - puts values where a template names them in braces.
-- Gives null where it names one that is not in p_names, or whose value is null; '' of null.  What is a
-- placeholder: see there.
create or replace function orderbell.fill(p_template text, p_names text[], p_values text[])
	returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
	v_parts text[];
	v_part text;
	v_end int;
	v_filled text;
begin
	-- The short way: see placeholders().  || gives null with a value that is.
	if coalesce(strpos(p_template, '{{') + strpos(p_template, '}}'), 0) = 0 then
		v_parts := string_to_array(p_template, '{');
		v_filled := coalesce(v_parts[1], '');
		foreach v_part in array coalesce(v_parts[2:], '{}') loop
			v_end := strpos(v_part, '}');
			v_filled := v_filled || case when v_end > 1
				then p_values[array_position(p_names, left(v_part, v_end - 1))]
					|| substr(v_part, v_end + 1)
				else '{' || v_part end;
		end loop;
		return v_filled;
	end if;
	return (
		select case when count(*) = count(f.part)
			then coalesce(string_agg(f.part, '' order by f.nth), '') end
		from (
			select t.nth, case
				when t.token[1] in ('{{', '}}') then left(t.token[1], 1)
				when t.token[1] ~ '^[{].+[}]$' then p_values[array_position(p_names,
					substr(t.token[1], 2, length(t.token[1]) - 2))]
				else t.token[1] end as part
			from regexp_matches(p_template, '[{][{]|[}][}]|[{][^{}]+[}]|[^{}]+|[{}]', 'g')
				with ordinality as t (token, nth)) f);
end $$;
comment on function orderbell.fill(text, text[], text[]) is
	'Internal: puts values where a template names them.';
