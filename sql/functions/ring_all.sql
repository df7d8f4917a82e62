-- orderbell.ring_all(merchant_ids) - orderbell.ring() for several merchants.  For many payers at
-- once one that rings for all of them costs a fraction: what a bell costs is its transaction.
-- Touches: nothing.
create or replace function orderbell.ring_all(p_merchant_ids bigint[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	perform set_config('synchronous_commit', 'off', true);
	for i in 1 .. coalesce(cardinality(p_merchant_ids), 0) loop
		perform pg_notify('order_events', format('{"merchant":%s}', p_merchant_ids[i]));
	end loop;
end $$;
comment on function orderbell.ring_all(bigint[]) is
	'Wakes the notifiers for several merchants, after commits that rang nothing themselves.';
