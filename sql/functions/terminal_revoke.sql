-- orderbell.terminal_revoke(merchant_id, name) - a terminal may not connect any more, and the
-- notifiers close it: see terminal_gone().
-- Returns whether there was one of that name that might.  The name is free again.
-- Touches: terminal (update).
create or replace function orderbell.terminal_revoke(p_merchant_id bigint, p_name text)
	returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	update orderbell.terminal t set revoked_at = clock_timestamp()
	where t.merchant_id = p_merchant_id and t.name = p_name and t.revoked_at is null;
	return found;
end $$;
comment on function orderbell.terminal_revoke(bigint, text) is
	'A terminal may not connect any more: it is closed at once.';
