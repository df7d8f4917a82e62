-- orderbell.renumber(merchant_id) - numbers events that were written with triggers off
-- (session_replication_role, alter table ... disable trigger) and so have no seq; rings for them.
-- orderbell.doctor() counts them.
--   p_merchant_id  null: all merchants
-- Returns how many it numbered.  Those of a merchant that does not exist become payment_exceptions.
-- It takes them over into its own transaction; two at once wait for each other.
-- Touches: order_event (update, delete), stream (update), payment_exception (insert).
create or replace function orderbell.renumber(p_merchant_id bigint default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	update orderbell.order_event e set xact = pg_current_xact_id()
	where e.seq is null and (p_merchant_id is null or e.merchant_id = p_merchant_id);
	return orderbell.number_own(0);
end $$;
comment on function orderbell.renumber(bigint) is
	'Numbers events that were written with triggers off.';
