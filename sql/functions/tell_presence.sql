-- orderbell.tell_presence(notifier_id, ...) - a notifier tells which connections are new or have
-- changed, and which are gone; all of a moment in one call.
--   p_connections ... p_sinces  one element for each connection; of one that is named twice the
--                               last counts
--   p_gone                      first of all these go; ones that are not known are passed over
-- Raises 22023: the arrays are not equally long.
-- Touches: presence (insert, update, delete).
create or replace function orderbell.tell_presence(
	p_notifier_id text, p_connections bigint[], p_merchant_ids bigint[], p_terminals text[],
	p_kinds text[], p_audios text[], p_sinces timestamptz[], p_gone bigint[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	-- unnest() would fill the shorter ones up.
	if not (cardinality(p_connections) = all (array[cardinality(p_merchant_ids),
			cardinality(p_terminals), cardinality(p_kinds), cardinality(p_audios),
			cardinality(p_sinces)])) then
		raise 'the arrays are not equally long' using errcode = 'invalid_parameter_value';
	end if;

	delete from orderbell.presence p
	where p.notifier_id = p_notifier_id and p.connection = any (p_gone);

	insert into orderbell.presence as p (notifier_id, connection, merchant_id, terminal, kind,
		audio, since, seen_at)
	select distinct on (t.connection) p_notifier_id, t.connection, t.merchant_id, t.terminal,
		t.kind, t.audio, t.since, clock_timestamp()
	from unnest(p_connections, p_merchant_ids, p_terminals, p_kinds, p_audios, p_sinces)
		with ordinality as t (connection, merchant_id, terminal, kind, audio, since, nth)
	order by t.connection, t.nth desc
	on conflict (notifier_id, connection) do update set merchant_id = excluded.merchant_id,
		terminal = excluded.terminal, kind = excluded.kind, audio = excluded.audio,
		since = excluded.since, seen_at = excluded.seen_at;
end $$;
comment on function orderbell.tell_presence(
	text, bigint[], bigint[], text[], text[], text[], timestamptz[], bigint[]) is
	'A notifier tells which connections are new or changed, and which are gone.';
