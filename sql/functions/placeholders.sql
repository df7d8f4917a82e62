-- orderbell.placeholders(template) - the columns that a template names: {a}{b}{a} gives {a,b}.
-- {{ and }} are braces of the text's own, and a brace that stands alone is one as well.
create or replace function orderbell.placeholders(p_template text) returns text[]
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
	return (
		select coalesce(array_agg(distinct substr(t.token[1], 2, length(t.token[1]) - 2)), '{}')
		from regexp_matches(p_template, '[{][{]|[}][}]|[{][^{}]+[}]', 'g') as t (token)
		where t.token[1] not in ('{{', '}}'));
end $$;
comment on function orderbell.placeholders(text) is 'Internal: the columns that a template names.';
