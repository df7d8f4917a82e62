-- orderbell.announce(merchant_ids, seqs) - what a transaction owes the events it has just numbered:
-- that their commit is flushed, that it cannot be prepared, and the bell, once per merchant with
-- its last seq: {"merchant":7,"seq":42}.  Returns whether it rang.
-- Touches: nothing but the transaction's settings.
-- Internal: the search_path is its caller's; to set it again would cost every payment 3 us.
create or replace function orderbell.announce(p_merchant_ids bigint[], p_seqs bigint[])
	returns boolean
language plpgsql as $$
declare
	v_rings boolean := orderbell.may_ring();
begin
	-- An order must not be forgotten in a crash, whatever the session risks with its other writes.
	if current_setting('synchronous_commit') = 'off' then
		perform set_config('synchronous_commit', 'local', true);
	end if;
	if not v_rings and current_setting('max_prepared_transactions') <> '0' then
		v_rings := not orderbell.bar_prepare();
	end if;
	if v_rings then
		for i in 1 .. cardinality(p_seqs) loop
			perform pg_notify('order_events',
				format('{"merchant":%s,"seq":%s}', p_merchant_ids[i], p_seqs[i]));
		end loop;
	end if;
	return v_rings;
end $$;
comment on function orderbell.announce(bigint[], bigint[]) is
	'Internal: what a transaction owes the events it has just numbered.';
