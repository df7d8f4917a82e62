-- orderbell.tell_presence(notifier_id, ...) - a notifier tells which connections are new or have
-- changed, and which are gone; all of a moment in one call.
--   p_connections ... p_sinces  one element for each connection; of one that is named twice the
--                               last counts
--   p_gone                      first of all these go; ones that are not known are passed over
-- Who polls may do so by any name: of a merchant's terminals that poll the notifier keeps the 1000
-- that did so last.  Returns how many others gave way.
-- Raises 22023: the arrays are not equally long.
-- Touches: presence (insert, update, delete).
create or replace function orderbell.tell_presence(
	p_notifier_id text, p_connections bigint[], p_merchant_ids bigint[], p_terminals text[],
	p_kinds text[], p_audios text[], p_sinces timestamptz[], p_gone bigint[]) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_grown bigint[];
	v_n int;
begin
	-- unnest() would fill the shorter ones up.
	if not (cardinality(p_connections) = all (array[cardinality(p_merchant_ids),
			cardinality(p_terminals), cardinality(p_kinds), cardinality(p_audios),
			cardinality(p_sinces)])) then
		raise 'the arrays are not equally long' using errcode = 'invalid_parameter_value';
	end if;

	delete from orderbell.presence p
	where p.notifier_id = p_notifier_id and p.connection = any (p_gone);

	-- Where those poll who did before there is nothing to count.
	select array_agg(distinct t.merchant_id) into v_grown
	from unnest(p_connections, p_merchant_ids, p_kinds) as t (connection, merchant_id, kind)
	where t.kind = 'poll' and not exists (
		select from orderbell.presence p
		where p.notifier_id = p_notifier_id and p.connection = t.connection);

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

	if v_grown is null then
		return 0;
	end if;
	delete from orderbell.presence p
	using unnest(v_grown) as g (merchant_id) cross join lateral (
		select l.connection from orderbell.presence l
		where l.merchant_id = g.merchant_id and l.notifier_id = p_notifier_id
			and l.kind = 'poll'
		order by l.seen_at desc, l.connection offset 1000) o
	where p.notifier_id = p_notifier_id and p.connection = o.connection;
	get diagnostics v_n = row_count;
	return v_n;
end $$;
comment on function orderbell.tell_presence(
	text, bigint[], bigint[], text[], text[], text[], timestamptz[], bigint[]) is
	'A notifier tells which connections are new or changed, and which are gone; '
	'gives how many terminals that poll gave way to newer ones of their merchant.';
