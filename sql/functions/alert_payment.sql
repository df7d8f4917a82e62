-- orderbell.alert_payment(what) - tells whoever listens on order_alerts of money that a person must
-- look at.  It is rare, so it rings with the commit also where events are rung later; not with
-- orderbell.quiet, nor where the server's notification queue is nearly full.
-- Touches: nothing.  Internal.
create or replace function orderbell.alert_payment(p_what json) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	if orderbell.quiet_by() is null and pg_notification_queue_usage() < 0.9 then
		perform pg_notify('order_alerts', p_what::text);
	end if;
end $$;
comment on function orderbell.alert_payment(json) is
	'Internal: tells of money that a person must look at.';
