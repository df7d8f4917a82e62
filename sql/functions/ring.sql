-- orderbell.ring(merchant_id) - rings the bell of a merchant whose events were committed just
-- before (bell => 'later').  A statement of its own, after the commit: a NOTIFY holds a lock of the
-- whole cluster until its transaction is flushed, so inside a payment it would make payments wait
-- for each other.  It wakes and carries nothing, so it need not be flushed itself.
-- Fails where the server's notification queue is full; the notifiers' poll does without it then.
-- Touches: nothing.
create or replace function orderbell.ring(p_merchant_id bigint) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	perform orderbell.ring_all(array[p_merchant_id]);
end $$;
comment on function orderbell.ring(bigint) is
	'Wakes the notifiers for a merchant, after a commit that rang nothing itself.';
