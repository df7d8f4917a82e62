-- orderbell.merchant_made() - trigger: a merchant has a stream from its first moment.
-- One that was deleted and is made again goes on behind its old events, of which some may have been
-- pruned.
-- Touches: stream (insert).
create or replace function orderbell.merchant_made() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	if orderbell.is_restored() then
		return null; -- its stream comes as well
	end if;
	insert into orderbell.stream (merchant_id, seq, kept_from)
	select new.id, coalesce(max(e.seq), 0), coalesce(max(e.seq), 0) + 1
	from orderbell.order_event e where e.merchant_id = new.id and e.seq is not null;
	return null;
end $$;
comment on function orderbell.merchant_made() is 'Trigger: makes the stream of a new merchant.';
