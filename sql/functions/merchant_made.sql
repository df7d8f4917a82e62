-- orderbell.merchant_made() - trigger: a merchant has a stream from its first moment.
-- Touches: stream (insert).
create or replace function orderbell.merchant_made() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	insert into orderbell.stream (merchant_id) values (new.id);
	return null;
end $$;
comment on function orderbell.merchant_made() is 'Trigger: makes the stream of a new merchant.';
