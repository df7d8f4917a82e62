-- orderbell.may_ring() - whether this transaction may use NOTIFY for its events and acks.
-- Not where it said otherwise (orderbell.bell = later or alone, orderbell.quiet = on), and not when
-- the server's notification queue is nearly full: the commit would fail, and the notifiers' poll
-- finds out within a second all the same.
-- Touches: nothing.
-- Internal: the search_path is its caller's; to set it again would cost every payment 3 us.
create or replace function orderbell.may_ring() returns boolean
language plpgsql stable as $$
begin
	return coalesce(current_setting('orderbell.bell', true), '') not in ('later', 'alone')
		and orderbell.quiet_by() is null
		and pg_notification_queue_usage() < 0.9;
end $$;
comment on function orderbell.may_ring() is 'Internal: whether this transaction may use NOTIFY.';
