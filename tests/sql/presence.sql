-- What notifiers tell of themselves and their terminals: leases, presence, and who is online.
\unset ON_ERROR_ROLLBACK
select plan(55);
truncate orderbell.notifier, orderbell.presence;
select test.merchant() as m, test.merchant() as n \gset
select test.open('a') as a_pid, test.open('b') as b_pid \gset
create function test.tell(p_notifier text, p_connection bigint, p_merchant bigint, p_terminal text, p_kind text default 'v1',
	p_audio text default 'armed') returns void language sql as $$
	select orderbell.tell_presence(p_notifier, array[p_connection], array[p_merchant], array[p_terminal], array[p_kind],
		array[p_audio], array['2026-01-01 00:00:00+00'::timestamptz], '{}')
$$;
create function test.lose(p_notifier text) returns void language sql as
	$$ update orderbell.notifier set lease_until = now() - interval '1 second' where id = p_notifier $$;
create function test.online(p_merchant bigint) returns text language sql as
	$$ select string_agg(terminal, ' ' order by terminal) from orderbell.terminals_online where merchant_id = p_merchant $$;
create function test.told(p_notifier text) returns text language sql as
	$$ select string_agg(terminal, ' ' order by terminal) from orderbell.presence where notifier_id = p_notifier $$;

-- Leases
select is(orderbell.notifier_beat('n1', 'one:8081', '0.1', 'listen'), true, 'a notifier that is new has to tell its presence');
select is((select (name, version, mode, lease_until - clock_timestamp() between '20 s' and '30 s', started_at <= clock_timestamp())::text
	from orderbell.notifier where id = 'n1'), '(one:8081,0.1,listen,t,t)', 'it has a lease of 30 seconds');
select started_at as started, lease_until as lease from orderbell.notifier where id = 'n1' \gset
select is(orderbell.notifier_beat('n1', 'one:8082', '0.2', 'poll'), false, 'one that is known has not');
select is((select (name, version, mode, lease_until > :'lease', started_at = :'started')::text from orderbell.notifier where id = 'n1'),
	'(one:8082,0.2,poll,t,t)', 'its lease is renewed, and what else it says');
select test.lose('n1');
select is(orderbell.notifier_beat('n1', 'one:8081', '0.1', 'listen'), true, 'one whose lease had ended has to');
select is(orderbell.notifier_beat('n1', 'one:8081', '0.1', 'listen'), false, 'once');
truncate orderbell.notifier;
select is(orderbell.notifier_beat('n1', 'one:8081', '0.1', 'listen'), true, 'and one that was forgotten in a crash of the server');
select throws_ok($$ select orderbell.notifier_beat('n1', 'x', 'x', 'sleep') $$, '23514', null, 'there are two modes');

-- Presence
select test.tell('n1', 1, :m, 'till-1'), test.tell('n1', 2, :m, 'till-2', 'plain', 'unknown');
select is(test.online(:m), 'till-1 till-2', 'terminals that were told of are online');
select is((select (kind, audio, since, notifier, merchant, seen_at > clock_timestamp() - interval '30 s')::text from orderbell.terminals_online
	where merchant_id = :m and terminal = 'till-1'), '(v1,armed,"2026-01-01 00:00:00+00",one:8081,"of a test",t)', 'and how');
select test.tell('n1', 1, :m, 'till-1', 'v1', 'blocked');
select is((select audio from orderbell.presence where notifier_id = 'n1' and connection = 1), 'blocked', 'what is told again replaces what was');
select orderbell.tell_presence('n1', '{}', '{}', '{}', '{}', '{}', '{}', '{1, 77}');
select is(test.online(:m), 'till-2', 'what is gone is gone');
select orderbell.tell_presence('n1', '{2}', array[:n]::bigint[], '{x}', '{sse}', '{unknown}', '{now}', '{2}');
select is(test.online(:m) || test.online(:n), null, 'a connection''s number');
select is(test.online(:n), 'x', 'may be used again in the same call');
select orderbell.tell_presence('n1', '{3, 4, 3}', array[:m, :m, :m]::bigint[], '{a, b, c}', '{v1, v1, v1}', '{armed, armed, armed}', '{now, now, now}', '{}');
select is(test.online(:m), 'b c', 'of one that is named twice the last counts');
select throws_ok(format('select orderbell.tell_presence(''n1'', ''{5, 6}'', ''{%s}'', ''{a, b}'', ''{v1, v1}'', ''{armed, armed}'', ''{now, now}'', ''{}'')', :m),
	'22023', null, 'arrays of different length are refused');
select throws_ok(format('select orderbell.tell_presence(''n1'', ''{5}'', null, ''{a}'', ''{v1}'', ''{armed}'', ''{now}'', ''{}'')'),
	null, null, 'and none at all');
select throws_ok(format('select test.tell(''n1'', 5, %s, ''a'', ''pigeon'')', :m), '23514', null, 'a kind that does not exist');
select throws_ok(format('select test.tell(''n1'', 5, %s, ''a'', ''v1'', ''loud'')', :m), '23514', null, 'or a sound');
select is(test.told('n1'), 'b c x', 'as a whole');
select lives_ok($$ select orderbell.tell_presence('n1', '{}', '{}', '{}', '{}', '{}', '{}', null) $$, 'nothing to tell is nothing');

-- Who counts as online
select orderbell.notifier_beat('n2', 'two:8081', '0.1', 'listen');
select test.tell('n2', 3, :m, 'd');
select is(test.online(:m), 'b c d', 'a number of a connection is its notifier''s own');
select test.lose('n2');
select is(test.online(:m), 'b c', 'where the lease has ended nobody is online');
select test.tell('n3', 1, :m, 'e');
select is(test.online(:m), 'b c', 'nor where there is no notifier');
select test.tell('n1', 9, :m, 'p', 'poll', 'unknown');
select is(test.online(:m), 'b c p', 'one that polls is online');
update orderbell.presence set seen_at = now() - interval '61 seconds' where notifier_id = 'n1' and connection in (9, 3);
select is(test.online(:m), 'b c', 'for a minute; a connection as long as it is told');

-- Clearing away
select is(orderbell.notifier_beat('n1', 'one:8081', '0.1', 'listen'), false, 'a beat');
select is((select string_agg(distinct notifier_id, ' ') from orderbell.presence), 'n1', 'clears away what notifiers left that are gone');
select is((select string_agg(id, ' ') from orderbell.notifier), 'n1', 'and them');
select is(test.told('n1'), 'b c p x', 'and not what is young');
update orderbell.presence set seen_at = now() - interval '121 seconds' where notifier_id = 'n1' and connection in (9, 3);
select orderbell.notifier_beat('n1', 'one:8081', '0.1', 'listen');
select is(test.told('n1'), 'b c x', 'but terminals that have not polled for two minutes');
select orderbell.notifier_beat('n4', 'four', '0.1', 'listen'), test.tell('n4', 1, :m, 'f');
select orderbell.forget_presence('n4');
select is(test.told('n4'), null, 'a notifier may forget all it told');
select is((select count(*) from orderbell.notifier where id = 'n4'), 1::bigint, 'and lives on');
select test.tell('n4', 1, :m, 'f');
select orderbell.notifier_gone('n4');
select is((select (count(*), (select count(*) from orderbell.notifier where id = 'n4'))::text from orderbell.presence where notifier_id = 'n4'),
	'(0,0)', 'or end, and its terminals are offline at once');
select is(test.told('n1'), 'b c x', 'others are left alone');

-- Who polls by ever new names
select orderbell.notifier_beat('n5', 'five', '0.1', 'listen'), orderbell.notifier_beat('n6', 'six', '0.1', 'listen');
create function test.polls(p_merchant bigint, p_first int, p_last int) returns int language sql as $$
	select orderbell.tell_presence('n5', array_agg(g::bigint), array_agg(p_merchant), array_agg('poll-' || g), array_agg('poll'::text),
		array_agg('armed'::text), array_agg(now()), '{}') from generate_series(p_first, p_last) g
$$;
create function test.polling(p_merchant bigint) returns text language sql as $$
	select format('%s from %s', count(*), min(connection)) from orderbell.presence
	where merchant_id = p_merchant and notifier_id = 'n5' and kind = 'poll'
$$;
select test.tell('n5', 1000001, :m, 'g'), test.tell('n6', 1, :m, 'h', 'poll'), test.polls(:n, 2000, 2000);
select is(test.polls(:m, 1, 600), 0, 'there is room for many that poll');
select is(test.polls(:m, 601, 1000), 0, 'up to a thousand of a merchant');
select is(test.polls(:m, 1, 1), 0, 'who comes back is none more');
select is(test.polls(:m, 1001, 1003), 3, 'but of those who are, some give way');
select is(test.polling(:m), '1000 from 1', 'as many as there are too many');
select is((select min(connection) from orderbell.presence where notifier_id = 'n5' and connection > 1), 5::bigint, 'who was not seen for longest');
select is((select string_agg(notifier_id || connection, ' ' order by notifier_id, connection) from orderbell.presence where notifier_id in ('n5', 'n6')
	and (kind <> 'poll' or merchant_id <> :m or notifier_id <> 'n5')), 'n52000 n51000001 n61',
	'a connection does not, nor another merchant''s, nor what another notifier told');
select is(test.polls(:m, 3001, 5500), 2500, 'a thousand are left however many are told at once');
select is(test.polling(:m), '1000 from 4501', 'and no more');
select orderbell.notifier_gone('n5'), orderbell.notifier_gone('n6');

-- At the same time
select orderbell.notifier_beat('n5', 'five', '0.1', 'listen'), test.tell('n5', 1, :m, 'g');
select test.lose('n5');
select test.try('a', 'begin', 'select orderbell.notifier_beat(''n6'', ''six'', ''0.1'', ''listen'')');
select is(test.try('b', 'set lock_timeout = 500', 'select orderbell.notifier_beat(''n7'', ''seven'', ''0.1'', ''listen'')'), 'done',
	'two that clear the same away do not wait for each other');
create table test.beat (is_new boolean);
select test.try('b', 'reset lock_timeout');
select test.start('b', 'insert into test.beat select orderbell.notifier_beat(''n5'', ''five'', ''0.1'', ''listen'')');
select ok(test.until_it_waits(:b_pid), 'one that is cleared away just then waits');
select test.try('a', 'commit');
select is(test.finish('b'), 'done', 'until that is done');
select is((select is_new from test.beat), true, 'and has to tell its presence anew');

-- As many as there may be
select array_agg(g)::text as ids, array_agg(1 + g % 500)::text as merchants, array_agg('till-' || g)::text as names,
	array_agg('v1'::text)::text as kinds, array_agg('armed'::text)::text as audios, array_agg(now())::text as sinces
from generate_series(1, 5000) g \gset
create function test.ms_of(p_sql text) returns numeric language plpgsql as $$
declare
	v_started constant timestamptz := clock_timestamp();
begin
	execute p_sql;
	return round(extract(epoch from clock_timestamp() - v_started) * 1000);
end $$;
select format('select orderbell.tell_presence(''n1'', %L, %L, %L, %L, %L, %L, ''{}'')', :'ids', :'merchants', :'names', :'kinds',
	:'audios', :'sinces') as tells \gset
select cmp_ok(test.ms_of(:'tells'), '<', 20000::numeric, '5,000 terminals are told at once');
select cmp_ok(test.ms_of(:'tells'), '<', 20000::numeric, 'and once more');
select is((select count(*) from orderbell.presence where notifier_id = 'n1'), 5000::bigint, 'each is there once');
select test.lose('n1');
insert into orderbell.presence select 'n9', connection, merchant_id, terminal, kind, audio, since, seen_at from orderbell.presence;
select orderbell.notifier_beat('n8', 'eight', '0.1', 'listen');
select is((select count(*) from orderbell.presence where notifier_id in ('n1', 'n9')), 5000::bigint, 'a beat clears a bounded number away');
select is((select count(*) from orderbell.notifier where id = 'n1'), (select count(distinct notifier_id) from orderbell.presence where notifier_id = 'n1'),
	'a notifier stays as long as something of it does');
select orderbell.notifier_beat('n8', 'eight', '0.1', 'listen'), orderbell.notifier_beat('n8', 'eight', '0.1', 'listen');
select is((select count(*) from orderbell.presence), 0::bigint, 'and the next ones the rest');
select is((select string_agg(relname, ' ' order by relname) from pg_class where relnamespace = 'orderbell'::regnamespace and relkind = 'r'
	and relpersistence = 'u'), 'escalation notifier presence', 'what may be lost in a crash is in unlogged tables');

select test.close('a'), test.close('b');
drop table test.beat;
truncate orderbell.notifier, orderbell.presence;
select * from finish();
