-- orderbell.number_events() - trigger at commit: gives the events of this transaction their seqs and
-- rings.
--
-- A seq is taken from the merchant's stream row, which stays locked from here to the end of the
-- commit and no longer: so seqs are in commit order and without holes, however long the transaction
-- stood open.  The first firing in a transaction does all of its events at once: locking its
-- merchants in the order of their ids, so that two bulks cannot deadlock; numbering in the order of
-- the events' ids; ringing once per merchant.  Each later firing finds its row numbered.
--
-- It runs as its owner (a deferred trigger runs as whoever commits: a shop's role has no right here).
-- Errors it may raise: those of lock timeouts; 40001 where the writer is REPEATABLE READ or
-- SERIALIZABLE; and a transaction with events cannot be prepared (PREPARE TRANSACTION): a number
-- given before the second phase could be overtaken.
-- Touches: stream (update), order_event (update), payment_exception (insert).
create or replace function orderbell.number_events() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_xact constant xid8 := pg_current_xact_id();
	v_rings boolean;
	v_merchant_id bigint;
	v_seq bigint;
begin
	perform from orderbell.order_event e where e.id = new.id and e.seq is null;
	if not found then
		return null; -- numbered by an earlier firing, or deleted again
	end if;

	perform from orderbell.stream s
	where s.merchant_id in (
		select e.merchant_id from orderbell.order_event e where e.seq is null and e.xact = v_xact)
	order by s.merchant_id
	for no key update;

	-- An event of nobody would be lost in silence, and an error would fail the shop's payment.
	with nobodys as (
		delete from orderbell.order_event e
		where e.seq is null and e.xact = v_xact
			and not exists (select from orderbell.stream s where s.merchant_id = e.merchant_id)
		returning e.*)
	select count(orderbell.record_exception('unknown_merchant', n.merchant_id, n.order_id, null,
		null, null, null, n.content)) into v_seq
	from nobodys n;

	-- An order must not be forgotten in a crash, whatever the session risks with its other writes.
	if current_setting('synchronous_commit') = 'off' then
		perform set_config('synchronous_commit', 'local', true);
	end if;

	-- Without the bell the poll of the notifiers finds the event within a second.  A full queue
	-- would fail the commit.  And the bell is what makes PostgreSQL refuse to prepare the
	-- transaction: there it is rung even where it was to be later.
	v_rings := (coalesce(current_setting('orderbell.bell', true), '') <> 'later'
			and pg_notification_queue_usage() < 0.9)
		or current_query() ~* 'prepare.*transaction';

	for v_merchant_id, v_seq in
		with mine as materialized (
			select e.id, e.merchant_id,
				row_number() over (partition by e.merchant_id order by e.id) as nth
			from orderbell.order_event e
			where e.seq is null and e.xact = v_xact),
		counted as (
			update orderbell.stream s set seq = s.seq + c.n
			from (select m.merchant_id, count(*) as n from mine m group by m.merchant_id) c
			where s.merchant_id = c.merchant_id
			returning s.merchant_id, s.seq - c.n as before, s.seq as top),
		numbered as (
			update orderbell.order_event e
			set seq = c.before + m.nth, created_at = clock_timestamp()
			from mine m join counted c on c.merchant_id = m.merchant_id
			where e.id = m.id)
		select c.merchant_id, c.top from counted c order by c.merchant_id
	loop
		if v_rings then
			perform pg_notify('order_events',
				format('{"merchant":%s,"seq":%s}', v_merchant_id, v_seq));
		end if;
	end loop;
	return null;
end $$;
comment on function orderbell.number_events() is 'Trigger at commit: gives events their seqs and rings.';
