-- orderbell.tell_delivered(event_ids, at, to) - a notifier tells which events it sent, when, and to
-- which terminals.  What was told first stands, whoever told it.
-- Nobody waits for its flush: a crash may lose the last moments.  For that it sets
-- synchronous_commit off in the transaction it is called in.
-- Raises 22023: the arrays are not equally long.
-- Touches: delivery (insert).
create or replace function orderbell.tell_delivered(
	p_event_ids bigint[], p_at timestamptz[], p_to text[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	if not (cardinality(p_event_ids) = all (array[cardinality(p_at), cardinality(p_to)])) then
		raise 'the arrays are not equally long' using errcode = 'invalid_parameter_value';
	end if;
	perform set_config('synchronous_commit', 'off', true);
	-- In the order of their ids: two notifiers that sent the same events do not deadlock.
	insert into orderbell.delivery (event_id, first_sent_at, first_sent_to)
	select t.event_id, t.at, t.terminal
	from unnest(p_event_ids, p_at, p_to) as t (event_id, at, terminal)
	order by t.event_id, t.at
	on conflict (event_id) do nothing;
end $$;
comment on function orderbell.tell_delivered(bigint[], timestamptz[], text[]) is
	'A notifier tells which events it sent first, when, and to which terminals.';
