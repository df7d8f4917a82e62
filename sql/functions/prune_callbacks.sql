-- orderbell.prune_callbacks(keep, batch) - forgets what gateways said long ago.
--   p_keep   callbacks that first came longer ago than this are deleted.  Until then a second
--            payment of an order is noticed, and a callback that is sent again is known.
--   p_batch  how many at most; call again while it returns as many
-- Returns how many were deleted.
-- Touches: payment_callback (delete).
create or replace function orderbell.prune_callbacks(
	p_keep interval default '400 days', p_batch int default 10000) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
	with old as (
		select c.ctid from orderbell.payment_callback c
		where c.first_at < clock_timestamp() - p_keep
		limit p_batch
		for update skip locked),
	gone as (
		delete from orderbell.payment_callback c using old o where c.ctid = o.ctid
		returning 1)
	select count(*) from gone
$$;
comment on function orderbell.prune_callbacks(interval, int) is
	'Forgets what gateways said long ago.';
