-- orderbell.placeholders(template) - the columns that a template names: {a}{b}{a} gives {a,b}.
-- {{ and }} are braces of the text's own, and a brace that stands alone is one as well.
create or replace function orderbell.placeholders(p_template text) returns text[]
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
	v_part text;
	v_names text[] := '{}';
begin
	-- The short way, for texts without doubled braces: a regular expression takes five times as long.
	if coalesce(strpos(p_template, '{{') + strpos(p_template, '}}'), 0) = 0 then
		foreach v_part in array coalesce((string_to_array(p_template, '{'))[2:], '{}') loop
			if strpos(v_part, '}') > 1 then
				v_names := array_append(array_remove(v_names, split_part(v_part, '}', 1)),
					split_part(v_part, '}', 1));
			end if;
		end loop;
		return v_names;
	end if;
	return (
		select coalesce(array_agg(distinct substr(t.token[1], 2, length(t.token[1]) - 2)), '{}')
		from regexp_matches(p_template, '[{][{]|[}][}]|[{][^{}]+[}]', 'g') as t (token)
		where t.token[1] not in ('{{', '}}'));
end $$;
comment on function orderbell.placeholders(text) is 'Internal: the columns that a template names.';
