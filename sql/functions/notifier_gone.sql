-- orderbell.notifier_gone(id) - a notifier ends in good order: its presence goes at once.
-- Touches: notifier (delete), presence (delete).
create or replace function orderbell.notifier_gone(p_id text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	delete from orderbell.notifier n where n.id = p_id;
	delete from orderbell.presence p where p.notifier_id = p_id;
end $$;
comment on function orderbell.notifier_gone(text) is 'A notifier ends: what it told goes with it.';
