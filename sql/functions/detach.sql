-- orderbell.detach(table) - orders of an attached table ring no more.  Events that there are stay.
-- Returns whether it was attached.
-- Raises as orderbell.attach(): 42501, 42809, and 55P03 where it would wait longer than 5 s.
-- Touches: the table (drops triggers).
create or replace function orderbell.detach(p_table regclass) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
begin
	perform orderbell.attachable(p_table);
	return orderbell.drop_attached(p_table) > 0;
end $$;
comment on function orderbell.detach(regclass) is 'Orders of an attached table ring no more.';
