-- orderbell.number_events() - trigger at commit, once per new event: gives the events of this
-- transaction their seqs and rings.
--
-- A seq is taken from the merchant's stream row, which stays locked from here to the end of the
-- transaction, and that is the length of a commit.  So seqs are in commit order and without holes,
-- however long the transaction stood open.  An event deleted before the commit takes none.
--
-- Of several events the first firing does all at once (number_own()).  The highest id numbered is
-- left in the transaction-local setting orderbell.numbered; later firings compare with it and
-- return, or, for an event that was written after it and so has a higher id, need not look below
-- it.  ROLLBACK TO takes the setting back together with the seqs, and one left by another
-- transaction counts for nothing, since the transaction's id is in it.
--
-- It runs as its owner: a deferred trigger runs as whoever commits, and a shop's role has no right
-- here.  Apart from what locks may raise, it fails the shop's statement with
--   40001  where the writer is REPEATABLE READ or SERIALIZABLE and another one was faster
--   0A000  at PREPARE TRANSACTION
--   25006  where the transaction was set READ ONLY after its writing
-- Touches: stream (update), order_event (update); and what number_own() touches.
--
-- enable_seqscan: a plan made while a table was nearly empty would be kept while it grows.
-- (xact, id) > (...) says no more than id > ..., but keeps the planner from the primary key.
-- := instead of perform: an expression is evaluated as it is, a perform is run as a query.
create or replace function orderbell.number_events() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
	v_xact constant xid8 := pg_current_xact_id();
	v_mark constant text := current_setting('orderbell.numbered', true);
	v_numbered bigint := 0;
	v_has_more boolean;
	v_seq bigint;
	v_rang boolean;
begin
	if split_part(v_mark, ' ', 1) = v_xact::text then
		v_numbered := split_part(v_mark, ' ', 2);
		if new.id <= v_numbered then
			return null;
		end if;
	end if;
	select exists (
		select from orderbell.order_event o
		where o.xact = v_xact and (o.xact, o.id) > (v_xact, v_numbered) and o.seq is null
			and o.id <> new.id)
	into v_has_more
	from orderbell.order_event e where e.xact = v_xact and e.id = new.id and e.seq is null;
	if not found then
		return null; -- deleted
	end if;

	-- NOTIFY and bar_prepare() make sure of it, but they say it less clearly.
	if current_setting('max_prepared_transactions') <> '0'
	and left(current_query(), 300) ~*
		'^[[:space:]]*prepare[[:space:]]+transaction[[:space:]][^;]*;?[[:space:]]*$' then
		raise 'a transaction with order events cannot be prepared' using
			errcode = 'feature_not_supported',
			detail = 'It would keep the payments of its merchants waiting until it is ended.',
			hint = 'Commit it, or write the orders in a transaction of their own.';
	end if;

	-- The short way for most: one event.
	if not v_has_more and coalesce(current_setting('orderbell.quiet', true), '') = '' then
		update orderbell.stream s set seq = s.seq + 1 where s.merchant_id = new.merchant_id
		returning s.seq into v_seq;
		if found then
			update orderbell.order_event e set seq = v_seq, created_at = clock_timestamp()
			where e.id = new.id;
			-- Where it is not to ring, that mostly leaves announce() nothing to do.
			if current_setting('orderbell.bell', true) is distinct from 'later'
			or current_setting('synchronous_commit') = 'off'
			or current_setting('max_prepared_transactions') <> '0' then
				v_rang := orderbell.announce(array[new.merchant_id], array[v_seq]);
			end if;
			return null;
		end if;
	end if;
	perform orderbell.number_own(v_numbered);
	return null;
end $$;
comment on function orderbell.number_events() is
	'Trigger at commit: gives events their seqs and rings.';
