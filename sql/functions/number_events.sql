-- orderbell.number_events() - trigger at commit, once per new event: gives the events of this
-- transaction their seqs and rings.
--
-- The first firing does all of them at once (number_own()), and leaves the highest id of them in the
-- transaction-local setting orderbell.numbered; later firings compare with it and return.  An event
-- that is written after it has a higher id: ids come from one sequence.  ROLLBACK TO takes the
-- setting back together with the seqs; the transaction's id in it makes one that was left by another
-- transaction count for nothing.  An event deleted before the commit takes no seq.
--
-- It runs as its owner: a deferred trigger runs as whoever commits, and a shop's role has no right
-- here.  Apart from what locks may raise, it fails the shop's statement with
--   40001  where the writer is REPEATABLE READ or SERIALIZABLE and another one was faster
--   0A000  at PREPARE TRANSACTION
--   25006  where the transaction was set READ ONLY after its writing
-- Touches: see number_own().
create or replace function orderbell.number_events() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_mark text[] := string_to_array(current_setting('orderbell.numbered', true), ' ');
begin
	if v_mark[1] = pg_current_xact_id()::text and new.id <= v_mark[2]::bigint then
		return null;
	end if;
	perform from orderbell.order_event e where e.id = new.id and e.seq is null;
	if not found then
		return null;
	end if;

	-- bar_prepare() and NOTIFY make sure of it, but they say it less clearly.
	if current_setting('max_prepared_transactions')::int > 0
	and left(current_query(), 300) ~* '^\s*prepare\s+transaction\s[^;]*;?\s*$' then
		raise 'a transaction with order events cannot be prepared' using
			errcode = 'feature_not_supported',
			detail = 'It would keep the payments of its merchants waiting until it is ended.',
			hint = 'Commit it, or write the orders in a transaction of their own.';
	end if;

	perform orderbell.number_own();
	return null;
end $$;
comment on function orderbell.number_events() is
	'Trigger at commit: gives events their seqs and rings.';
