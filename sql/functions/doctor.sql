-- orderbell.doctor() - one row per check: is anything wrong that nobody would notice?
-- Touches: nothing.
create or replace function orderbell.doctor()
	returns table (check_name text, is_ok boolean, detail text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
	select 'triggers', count(*) = 5 and bool_and(t.tgenabled in ('O', 'A')),
		format('%s of 5 are there, %s are enabled', count(*),
			count(*) filter (where t.tgenabled in ('O', 'A')))
	from pg_trigger t
	where not t.tgisinternal and t.tgname like 'orderbell\_%'
		and t.tgrelid in ('orderbell.merchant'::regclass, 'orderbell.orders'::regclass,
			'orderbell.order_event'::regclass)
	union all
	select 'unnumbered events', count(*) = 0,
		format('%s without seq, written with triggers off: select orderbell.renumber()', count(*))
	from orderbell.order_event e where e.seq is null and e.xact <> pg_current_xact_id()
	union all
	select 'merchants without stream', count(*) = 0, format('%s', count(*))
	from orderbell.merchant m left join orderbell.stream s on s.merchant_id = m.id
	where s.merchant_id is null
	union all
	select 'notification queue', pg_notification_queue_usage() < 0.5,
		format('%s %% full', round(100 * pg_notification_queue_usage()::numeric, 1))
	union all
	select 'payment exceptions', count(*) = 0, format('%s: orderbell.payment_exceptions', count(*))
	from orderbell.payment_exception
	union all
	select 'oldest waiting event', coalesce(min(e.created_at) > clock_timestamp() - interval '10 minutes', true),
		coalesce('since ' || min(e.created_at), 'none')
	from orderbell.order_event e where e.acked_at is null
$$;
comment on function orderbell.doctor() is 'One row per check of orderbell''s health.';
