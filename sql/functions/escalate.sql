-- orderbell.escalate(after, limit) - events that nobody acks become alerts.
--   p_after  how long an event may wait, where its merchant has no escalate_after of its own;
--            '0': of such merchants none becomes an alert
--   p_limit  how many alerts at most; the others come with the next calls
-- Returns how many it raised.  Each is a row in table alert, one per event whatever happens, and
-- word on order_alerts:
--   {"alert":"unreachable","merchant":7,"seq":42,"orderId":5,"event":99}
-- unreachable: no terminal of the merchant is connected; ignored: at least one is.
--
-- Every notifier calls it every few seconds.  Of several at once one does the work, the others
-- return 0.  It looks at events as they become due, by the time they were made, and remembers how
-- far it has come; and again, a few hundred per call and in turns, at all others that nobody acked:
-- for those that were passed over because their commit took longer than p_after, or the merchant's
-- time was changed, or the clock, or because they were restored.  So it costs the same however many
-- events wait.  (What can cost more is the index: of events that were acked it is rid of only after
-- a VACUUM, and of none while a long transaction stands open.  So the second look rests fifty times
-- as long as it took.)
--
-- It locks no event and no order.  It does not wait for its flush (a NOTIFY holds a lock of the
-- whole cluster until then), so after a crash of the server the alerts of its last moments may come
-- once more.
-- Raises 22023: p_after is not 0 to 1 year, or p_limit is less than 1.
-- Touches: alert (insert), escalation (insert, update).
create or replace function orderbell.escalate(p_after interval, p_limit int default 500)
	returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	c_looks constant int := 5000;
	c_sweeps constant int := 500;
	c_rests constant int := 50;
	c_rest_max constant interval := '10 minutes';
	v_now constant timestamptz := clock_timestamp();
	v_times interval[];
	v_time orderbell.escalation;
	v_started timestamptz;
	v_made bigint;
	v_total bigint := 0;
begin
	if p_after is null or not (p_after between interval '0' and interval '1 year') then
		raise 'p_after is 0 to 1 year, not %', coalesce(p_after::text, 'null')
			using errcode = 'invalid_parameter_value';
	end if;
	if p_limit is null or p_limit < 1 then
		raise 'p_limit is 1 or more, not %', coalesce(p_limit::text, 'null')
			using errcode = 'invalid_parameter_value';
	end if;
	perform set_config('synchronous_commit', 'off', true);

	-- The different times that merchants have, one after the other: not all merchants.
	with recursive own (after) as (
		select min(m.escalate_after) from orderbell.merchant m
		where m.escalate_after > interval '0'
		union all
		select (select min(m.escalate_after) from orderbell.merchant m
			where m.escalate_after > o.after)
		from own o where o.after is not null)
	select array_agg(o.after) into v_times from own o where o.after is not null;

	-- A new one looks back for ten minutes; the sweep sees to what is older.
	insert into orderbell.escalation (after, is_default, looked_until, swept_until)
	select w.after, w.is_default, v_now - w.after - interval '10 minutes', '-infinity'
	from (
		select p_after as after, true as is_default where p_after > interval '0'
		union all
		select t.after, false from unnest(v_times) as t (after)) w
	where not exists (
		select from orderbell.escalation x
		where x.after = w.after and x.is_default = w.is_default)
	on conflict do nothing;

	for v_time in
		select x.* from orderbell.escalation x
		where case when x.is_default then x.after = p_after else x.after = any (v_times) end
		for no key update skip locked
	loop
		select a.made, a.dealt_until into v_made, v_time.looked_until
		from orderbell.raise_alerts(v_time.after, v_time.is_default, v_time.looked_until,
			v_now - v_time.after, c_looks, p_limit - v_total) a;
		v_total := v_total + v_made;

		v_started := clock_timestamp();
		if not v_started between v_time.rests_until - c_rest_max and v_time.rests_until then
			select a.made, a.dealt_until into v_made, v_time.swept_until
			from orderbell.raise_alerts(v_time.after, v_time.is_default, v_time.swept_until,
				v_time.looked_until, c_sweeps, p_limit - v_total) a;
			v_total := v_total + v_made;
			if v_time.swept_until >= v_time.looked_until then
				v_time.swept_until := '-infinity';
			end if;
			v_time.rests_until := clock_timestamp()
				+ least(c_rest_max, c_rests * (clock_timestamp() - v_started));
		end if;

		update orderbell.escalation x set looked_until = v_time.looked_until,
			swept_until = v_time.swept_until, rests_until = v_time.rests_until
		where x.after = v_time.after and x.is_default = v_time.is_default;
	end loop;
	return v_total;
end $$;
comment on function orderbell.escalate(interval, int) is
	'Events that nobody acks become alerts, once each.';
