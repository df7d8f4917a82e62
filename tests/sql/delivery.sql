-- When an event was first sent, and to whom; and what the DBA sees of it.
\unset ON_ERROR_ROLLBACK
select plan(20);
truncate orderbell.notifier, orderbell.presence, orderbell.delivery;
select test.merchant() as m \gset
select test.open('a') as a_pid, test.open('b') as b_pid \gset
select test.paid(:m), test.paid(:m), test.paid(:m);
select array_agg(id order by seq)::text as ids, min(id) as first, max(id) as last from orderbell.order_event where merchant_id = :m \gset
create function test.delivered(p_merchant bigint) returns text language sql as $$
	select string_agg(seq || ' ' || coalesce(first_sent_to, '-'), ', ' order by seq) from orderbell.waiting where merchant_id = p_merchant
$$;

select orderbell.tell_delivered(array[:first, :last], array['2026-01-01 00:00:01+00', '2026-01-01 00:00:02+00']::timestamptz[], '{till-1, till-2}');
select is(test.delivered(:m), '1 till-1, 2 -, 3 till-2', 'events that were sent say so in the waiting view');
select is((select first_sent_at from orderbell.waiting where merchant_id = :m and seq = 1), '2026-01-01 00:00:01+00', 'and when');
select orderbell.tell_delivered(:'ids', '{now, now, now}', '{till-9, till-9, till-9}');
select is(test.delivered(:m), '1 till-1, 2 till-9, 3 till-2', 'what was told first stands');
select test.paid(:m);
select id as fourth from orderbell.order_event where merchant_id = :m and seq = 4 \gset
select orderbell.tell_delivered(array[:fourth, :fourth], array['2026-01-01 00:00:02+00', '2026-01-01 00:00:01+00']::timestamptz[], '{late, early}');
select is((select first_sent_to from orderbell.waiting where merchant_id = :m and seq = 4), 'early', 'of one that is named twice the earlier counts');
select lives_ok($$ select orderbell.tell_delivered('{}', '{}', '{}') $$, 'nothing to tell is nothing');
select throws_ok($$ select orderbell.tell_delivered('{1, 2}', '{now}', '{x, y}') $$, '22023', null, 'arrays of different length are refused');

-- Not flushed, and the session goes on as it was.
select test.value('a', 'pg_current_wal_insert_lsn()') as lsn \gset
select test.try('a', 'begin', 'select orderbell.tell_delivered(''{4000000001}'', ''{now}'', ''{x}'')');
select test.value('a', 'pg_current_wal_insert_lsn()') as lsn \gset
select test.try('a', 'commit');
select ok(pg_current_wal_flush_lsn() <= :'lsn', 'it waits for no flush');
select is(test.value('a', 'current_setting(''synchronous_commit'')'), 'on', 'and leaves synchronous_commit as it was');
select is((select relpersistence from pg_class where oid = 'orderbell.delivery'::regclass), 'p', 'but survives a crash but for its last moments');

-- Two notifiers with the same events in opposite order, and an ack and a payment meanwhile
select test.try('a', 'begin', 'select orderbell.tell_delivered(''{4000000011, 4000000012}'', ''{now, now}'', ''{a, a}'')');
select test.start('b', 'select orderbell.tell_delivered(''{4000000012, 4000000011, 4000000013}'', ''{now, now, now}'', ''{b, b, b}'')');
select ok(test.until_it_waits(:b_pid), 'two notifiers that tell of the same events wait for each other');
select test.try('a', 'select orderbell.tell_delivered(''{4000000013}'', ''{now}'', ''{a}'')', 'commit');
select is(test.finish('b'), 'done', 'and do not fail');
select is((select string_agg(first_sent_to, '' order by event_id) from orderbell.delivery where event_id > 4000000010), 'aaa', 'the first one is it');
select test.try('a', 'begin', format('select orderbell.tell_delivered(''{%s}'', ''{now}'', ''{x}'')', :last + 1));
select test.try('b', 'set lock_timeout = 500');
select is(test.try('b', format('select test.paid(%s)', :m), format('select orderbell.ack(%s, array[1], ''b'')', :m)), 'done',
	'a payment and an ack do not wait for it');
select test.try('a', 'rollback');

-- The waiting view
select is((select terminals from orderbell.waiting where merchant_id = :m and seq = 2), 0::bigint, 'waiting: no terminal is online');
select orderbell.notifier_beat('n1', 'one', '0.1', 'listen');
select orderbell.tell_presence('n1', '{1, 2, 3}', array[:m, :m, :m + 1]::bigint[], '{till-1, till-1, till-2}', '{v1, v1, v1}', '{armed, armed, armed}',
	'{now, now, now}', '{}');
select is((select terminals from orderbell.waiting where merchant_id = :m and seq = 2), 1::bigint, 'one is, by two connections');
select orderbell.notifier_gone('n1');
select is((select terminals from orderbell.waiting where merchant_id = :m and seq = 2), 0::bigint, 'and is gone with its notifier');
select is((select array_agg(seq order by n) from (select seq, row_number() over () as n from orderbell.waiting where merchant_id = :m) w),
	array[2, 3, 4, 5]::bigint[], 'the oldest comes first');
select is((select array_agg(a.attname::text order by a.attnum) from pg_attribute a where a.attrelid = 'orderbell.waiting'::regclass and a.attnum > 8),
	array['first_sent_at', 'first_sent_to', 'terminals', 'amount'], 'what came later stands last, so that a view that is there can be replaced');

-- As many as there may be
select array_agg(5000000000 + g)::text as ids, array_agg(now())::text as times, array_agg('till-' || g)::text as names from generate_series(1, 5000) g \gset
select clock_timestamp() as started \gset
select orderbell.tell_delivered(:'ids', :'times', :'names');
select cmp_ok(clock_timestamp() - :'started', '<', interval '20 s', '5,000 are told at once');
select is((select count(*) from orderbell.delivery where event_id > 5000000000), 5000::bigint, 'and all are there');

select test.close('a'), test.close('b');
truncate orderbell.delivery;
select * from finish();
