-- orderbell.may_ring() - whether this transaction may use NOTIFY for its events and acks.
-- Not where it said otherwise (orderbell.bell = later, orderbell.quiet = on), and not when the
-- server's notification queue is nearly full: the commit would fail, and the notifiers' poll finds
-- out within a second all the same.
-- Touches: nothing.  Internal.
create or replace function orderbell.may_ring() returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
	return coalesce(current_setting('orderbell.bell', true), '') <> 'later'
		and coalesce(current_setting('orderbell.quiet', true), '') not in ('on', 'true', 'yes', '1')
		and pg_notification_queue_usage() < 0.9;
end $$;
comment on function orderbell.may_ring() is 'Internal: whether this transaction may use NOTIFY.';
