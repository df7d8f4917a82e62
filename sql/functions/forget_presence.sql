-- orderbell.forget_presence(notifier_id) - a notifier is about to tell its presence anew: what it
-- told before goes.
-- Touches: presence (delete).
create or replace function orderbell.forget_presence(p_notifier_id text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	delete from orderbell.presence p where p.notifier_id = p_notifier_id;
end $$;
comment on function orderbell.forget_presence(text) is
	'A notifier is about to tell its presence anew.';
