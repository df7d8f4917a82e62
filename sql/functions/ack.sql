-- orderbell.ack(merchant_id, seqs, by) - a person has seen these events.
--   p_by  which terminal, or who; 64 characters of it are kept
-- Returns the seqs that were not acked before; idempotent.  Seqs that are not the merchant's are
-- passed over.  Tells the notifiers on order_control.
-- Touches: order_event (update).
create or replace function orderbell.ack(p_merchant_id bigint, p_seqs bigint[], p_by text)
	returns setof bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_by constant text := left(p_by, 64);
	v_seqs bigint[];
begin
	-- Locked in the order of their seqs: two acks of the same events do not deadlock.
	with waiting as (
		select e.id from orderbell.order_event e
		where e.merchant_id = p_merchant_id and e.seq = any (p_seqs) and e.acked_at is null
		order by e.seq
		for no key update),
	acked as (
		update orderbell.order_event e set acked_at = clock_timestamp(), acked_by = v_by
		from waiting w where e.id = w.id
		returning e.seq)
	select array_agg(a.seq order by a.seq) into v_seqs from acked a;
	if v_seqs is null then
		return;
	end if;

	-- Who is told of an ack may rely on it.
	if current_setting('synchronous_commit') = 'off' then
		perform set_config('synchronous_commit', 'local', true);
	end if;
	if pg_notification_queue_usage() < 0.9 then
		perform orderbell.tell_acked(p_merchant_id, v_seqs, v_by);
	end if;
	return query select unnest(v_seqs);
end $$;
comment on function orderbell.ack(bigint, bigint[], text) is
	'Marks events as seen by a person; gives those that were not yet.';
