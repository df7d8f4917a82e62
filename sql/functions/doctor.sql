-- orderbell.doctor() - one row per check: is anything wrong that nobody would notice?
-- Touches: nothing.
create or replace function orderbell.doctor()
	returns table (check_name text, is_ok boolean, detail text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
	select 'triggers', count(t.oid) filter (where t.tgenabled in ('O', 'A')) = count(*),
		coalesce('missing or off: '
			|| string_agg(w.name, ', ') filter (where t.tgenabled is distinct from 'O'
				and t.tgenabled is distinct from 'A'), 'all are on')
	from (values
		('orderbell.merchant'::regclass, 'orderbell_merchant_made'),
		('orderbell.order_event', 'orderbell_number_events'),
		('orderbell.orders', 'orderbell_order_made_paid'),
		('orderbell.orders', 'orderbell_order_paid'),
		('orderbell.orders', 'orderbell_order_moved'),
		('orderbell.terminal', 'orderbell_terminal_revoked'),
		('orderbell.terminal', 'orderbell_terminal_deleted')) as w (of_table, name)
	left join pg_trigger t on t.tgrelid = w.of_table and t.tgname = w.name
	union all
	select 'roles', count(*) = 0,
		coalesce(string_agg(format('no login has %s: grant %1$I to the program''s', w.name), ', '),
			'both programs'' have a login')
	from (values ('orderbell_fcgi'), ('orderbell_notifier')) as w (name)
	where not exists (
		select from pg_roles r
		where r.rolcanlogin and not r.rolsuper and pg_has_role(r.oid, w.name, 'usage'))
	union all
	select 'attached tables', coalesce(bool_and(a.is_on), true),
		case when bool_and(a.is_on) then format('%s: see orderbell.attachments',
				string_agg(distinct a.order_table, ', '))
			else coalesce('off: ' || string_agg(format('%s on %s', a.trigger, a.order_table), ', ')
				filter (where not a.is_on), 'none') end
	from orderbell.attachments a
	union all
	select 'unnumbered events', count(*) = 0,
		format('%s without seq, written with triggers off: select orderbell.renumber()', count(*))
	from orderbell.order_event e
	where e.seq is null and e.xact is distinct from pg_current_xact_id_if_assigned()
	union all
	select 'merchants without stream', count(*) = 0,
		format('%s: their events become payment_exceptions', count(*))
	from orderbell.merchant m left join orderbell.stream s on s.merchant_id = m.id
	where s.merchant_id is null
	union all
	select 'streams behind their events', count(*) = 0,
		format('%s, whose payments would fail: select orderbell.new_epoch(merchant_id)', count(*))
	from orderbell.stream s
	where s.seq < (select max(e.seq) from orderbell.order_event e
		where e.merchant_id = s.merchant_id and e.seq is not null)
	union all
	select 'ids behind their events', coalesce(e.id <= q.last_value, true),
		case when e.id > q.last_value
			then 'the next would be used twice, so payments fail: select orderbell.new_epoch()'
			else 'the next is new' end
	from orderbell.order_event_id_seq q
	cross join (select max(e.id) as id from orderbell.order_event e) e
	union all
	select 'notification queue', pg_notification_queue_usage() < 0.5,
		format('%s %% full', round(100 * pg_notification_queue_usage()::numeric, 1))
	union all
	select 'payment exceptions', count(*) = 0,
		format('%s: see orderbell.payment_exceptions', count(*))
	from orderbell.payment_exception
	union all
	select 'oldest waiting event',
		coalesce(min(e.created_at) > clock_timestamp() - interval '10 minutes', true),
		coalesce('since ' || min(e.created_at), 'none')
	from orderbell.order_event e where e.acked_at is null and e.seq is not null
	union all
	select 'notifiers', count(*) > 0,
		case when count(*) > 0 then format('%s: %s', count(*), string_agg(
				format('%s (%s)', n.name, n.version), ', ' order by n.name, n.id))
			else 'none is running: nothing rings at any terminal' end
	from orderbell.notifier n where n.lease_until >= statement_timestamp()
	union all
	select 'poll-only notifiers', count(*) = 0,
		format('%s, which a pooler keeps from hearing the bell', count(*))
			|| coalesce(': ' || string_agg(n.name, ', ' order by n.name, n.id), '')
	from orderbell.notifier n where n.lease_until >= statement_timestamp() and n.mode = 'poll'
	union all
	select 'clock', count(*) = 0,
		coalesce(string_agg(w.what, ', '), 'no event is of the future, no notifier far off')
	from (
		select format('the server''s was ahead by %s when it wrote the newest event',
			e.created_at - clock_timestamp())
		from (select e.created_at from orderbell.order_event e order by e.id desc limit 1) e
		where e.created_at > clock_timestamp() + interval '1 second'
		union all
		select format('%s is off by %s', n.name, n.clock_ahead)
		from orderbell.notifier n
		where n.lease_until >= statement_timestamp()
			and n.clock_ahead not between interval '-5 seconds' and interval '5 seconds'
	) w (what)
	union all
	select 'merchants out of reach', count(*) = 0,
		format('%s with waiting events and no terminal online: see orderbell.waiting', count(*))
	from orderbell.stream s
	where exists (select from orderbell.order_event e
			where e.merchant_id = s.merchant_id and e.acked_at is null and e.seq is not null)
		and not exists (select from orderbell.terminals_online o
			where o.merchant_id = s.merchant_id)
	union all
	select 'muted terminals', count(*) = 0,
		format('%s cannot be heard: see orderbell.terminals_online', count(*))
	from orderbell.terminals_online o where o.audio = 'blocked'
	union all
	select 'alerts', count(*) = 0,
		format('%s within a day: see orderbell.alerts', count(*))
	from orderbell.alert a where a.created_at > statement_timestamp() - interval '1 day'
$$;
comment on function orderbell.doctor() is 'One row per check of orderbell''s health.';
