-- orderbell.version() - which version of the schema this is.
-- upgrade.sql reads it here, in the text: it is to stay a constant.
create or replace function orderbell.version() returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
	select text '0.2.0'
$$;
comment on function orderbell.version() is 'Which version of the schema this is.';
