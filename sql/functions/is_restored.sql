-- orderbell.is_restored() - does this session restore a dump?  pg_dump's scripts and pg_restore set
-- these two together, and nobody else does.
-- A dump has the triggers behind the rows, but for a dump of rows alone, and for the extension's
-- tables, which are there with their triggers before their rows come.
-- In plpgsql: a function in SQL would be planned anew in each transaction.
create or replace function orderbell.is_restored() returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
	return current_setting('check_function_bodies') = 'off'
		and current_setting('row_security') = 'off';
end $$;
comment on function orderbell.is_restored() is 'Does this session restore a dump?';
