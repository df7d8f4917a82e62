-- orderbell.notifier_beat(id, name, version, mode, now) - a notifier says that it runs: its lease is
-- renewed, for 30 s.
--   p_id    of this run of the program
--   p_name  for people: where it listens
--   p_mode  'listen' or 'poll'
--   p_now   what its clock says, for doctor(); null: it does not say
-- Returns true where nothing is known of it, or its lease had ended, so that its presence may be
-- gone: it has to forget_presence() and tell all anew.
-- Also clears away what other notifiers left that ended without notifier_gone(), some thousand rows
-- at a time, and its own terminals that poll and have not for two minutes.
-- Waits for nobody but, after a lease has ended, another beat that clears it away just then.
-- Touches: notifier (insert, update, delete), presence (delete).
create or replace function orderbell.notifier_beat(
	p_id text, p_name text, p_version text, p_mode text, p_now timestamptz default null)
	returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_lease_until constant timestamptz := clock_timestamp() + interval '30 seconds';
	v_clock_ahead constant interval := p_now - clock_timestamp();
	v_had_until timestamptz;
begin
	-- The lock lets a beat that clears this notifier away come to its end first.
	select n.lease_until into v_had_until from orderbell.notifier n where n.id = p_id
	for no key update;
	insert into orderbell.notifier as n (id, name, version, mode, lease_until, clock_ahead)
	values (p_id, p_name, p_version, p_mode, v_lease_until, v_clock_ahead)
	on conflict (id) do update set name = excluded.name, version = excluded.version,
		mode = excluded.mode, lease_until = excluded.lease_until,
		clock_ahead = excluded.clock_ahead;

	perform orderbell.forget_lost();
	delete from orderbell.presence p
	where p.notifier_id = p_id and p.kind = 'poll'
		and p.seen_at < clock_timestamp() - interval '2 minutes';
	return v_had_until is null or v_had_until < clock_timestamp();
end $$;
comment on function orderbell.notifier_beat(text, text, text, text, timestamptz) is
	'A notifier says that it runs; true: it has to tell its presence anew.';
