-- orderbell.number_own() - gives all events of this transaction that have no seq yet their seqs, and
-- rings once per merchant.  Returns how many it numbered.
--
-- A seq is taken from the merchant's stream row, which stays locked from here to the end of the
-- transaction: called at commit, that is the length of a commit.  So seqs are in commit order and
-- without holes.  Merchants are locked in the order of their ids, so that two transactions cannot
-- deadlock; events are numbered in the order of their ids.
--
-- Own events are those whose xact is this transaction's: neither another transaction, in progress or
-- done, nor one that wrote with triggers off, has a row with it.
--
-- With orderbell.quiet = on nothing rings, and what is not acked yet is acked by "quiet": the
-- notifiers' poll would find it otherwise.
-- May raise 40001 (REPEATABLE READ, SERIALIZABLE) and what a lock may raise.
-- Touches: stream (update), order_event (update, delete), payment_exception (insert).  Internal.
--
-- enable_seqscan: a plan made while a table was nearly empty would be kept while it grows.
create or replace function orderbell.number_own() returns bigint
language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
	v_xact constant xid8 := pg_current_xact_id();
	v_quiet constant boolean :=
		coalesce(current_setting('orderbell.quiet', true), '') in ('on', 'true', 'yes', '1');
	v_found bigint;
	v_numbered bigint;
	v_last_id bigint;
	v_merchant_ids bigint[];
	v_seqs bigint[];
	v_nobodys orderbell.order_event;
	v_order orderbell.orders;
	v_rings boolean;
begin
	select count(*), max(e.id), array[min(e.merchant_id)] into v_found, v_last_id, v_merchant_ids
	from orderbell.order_event e where e.xact = v_xact and e.seq is null;

	if v_found = 1 then
		with counted as (
			update orderbell.stream s set seq = s.seq + 1 where s.merchant_id = v_merchant_ids[1]
			returning s.seq)
		update orderbell.order_event e
		set seq = c.seq, created_at = clock_timestamp(),
			acked_at = case when v_quiet then coalesce(e.acked_at, clock_timestamp()) else e.acked_at end,
			acked_by = case when v_quiet then coalesce(e.acked_by, 'quiet') else e.acked_by end
		from counted c where e.id = v_last_id
		returning array[e.seq] into v_seqs;
		v_numbered := cardinality(v_seqs);
	elsif v_found > 1 then
		perform from orderbell.stream s
		where s.merchant_id in (
			select e.merchant_id from orderbell.order_event e where e.xact = v_xact and e.seq is null)
		order by s.merchant_id
		for no key update;

		with own as materialized (
			select e.id, e.merchant_id,
				row_number() over (partition by e.merchant_id order by e.id) as nth
			from orderbell.order_event e where e.xact = v_xact and e.seq is null),
		counted as (
			update orderbell.stream s set seq = s.seq + o.n
			from (select o.merchant_id, count(*) as n from own o group by o.merchant_id) o
			where s.merchant_id = o.merchant_id
			returning s.merchant_id, s.seq, s.seq - o.n as before, o.n),
		numbered as (
			update orderbell.order_event e
			set seq = c.before + o.nth, created_at = clock_timestamp(),
				acked_at = case when v_quiet then coalesce(e.acked_at, clock_timestamp()) else e.acked_at end,
				acked_by = case when v_quiet then coalesce(e.acked_by, 'quiet') else e.acked_by end
			from own o join counted c on c.merchant_id = o.merchant_id
			where e.id = o.id)
		select sum(c.n), array_agg(c.merchant_id), array_agg(c.seq)
		into v_numbered, v_merchant_ids, v_seqs
		from counted c;

		-- For number_events().
		perform set_config('orderbell.numbered', v_xact || ' ' || v_last_id, true);
	end if;
	v_numbered := coalesce(v_numbered, 0);

	-- An event of nobody would be lost in silence, and an error would fail the shop's payment.
	if v_numbered < v_found then
		for v_nobodys in
			delete from orderbell.order_event e where e.xact = v_xact and e.seq is null returning e.*
		loop
			select o.* into v_order from orderbell.orders o where o.id = v_nobodys.order_id;
			perform orderbell.record_exception('unknown_merchant', v_nobodys.merchant_id,
				v_nobodys.order_id, v_order.number, v_order.amount, null, null, v_nobodys.content);
		end loop;
	end if;

	-- An order must not be forgotten in a crash, whatever the session risks with its other writes.
	if current_setting('synchronous_commit') = 'off' then
		perform set_config('synchronous_commit', 'local', true);
	end if;

	v_rings := orderbell.may_ring();
	if not v_rings and current_setting('max_prepared_transactions')::int > 0 then
		v_rings := not orderbell.bar_prepare();
	end if;
	if v_rings then
		for i in 1 .. coalesce(cardinality(v_seqs), 0) loop
			perform pg_notify('order_events',
				format('{"merchant":%s,"seq":%s}', v_merchant_ids[i], v_seqs[i]));
		end loop;
	end if;
	return v_numbered;
end $$;
comment on function orderbell.number_own() is
	'Internal: gives the events of this transaction their seqs and rings.';
