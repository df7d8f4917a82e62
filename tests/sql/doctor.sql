-- doctor(): what is wrong with what runs beside the database.
\unset ON_ERROR_ROLLBACK
select plan(22);
delete from orderbell.order_event;
truncate orderbell.alert, orderbell.notifier, orderbell.presence;
select test.merchant() as m, test.merchant() as n \gset
create function test.says(p_name text) returns text language sql as $$ select is_ok || ': ' || detail from orderbell.doctor() where check_name = p_name $$;

select is(test.says('notifiers'), 'false: none is running: nothing rings at any terminal', 'no notifier is running');
select orderbell.notifier_beat('n1', 'one:8081', '0.1', 'listen'), orderbell.notifier_beat('n2', 'two:8081', '0.2', 'listen');
select is(test.says('notifiers'), 'true: 2: one:8081 (0.1), two:8081 (0.2)', 'two are');
update orderbell.notifier set lease_until = now() - interval '1 second' where id = 'n2';
select is(test.says('notifiers'), 'true: 1: one:8081 (0.1)', 'one has not been heard of for too long');
select is(test.says('poll-only notifiers'), 'true: 0, which a pooler keeps from hearing the bell', 'all hear the bell');
select orderbell.notifier_beat('n1', 'one:8081', '0.1', 'poll');
select is(test.says('poll-only notifiers'), 'false: 1, which a pooler keeps from hearing the bell: one:8081', 'one cannot');

select is(test.says('clock'), 'true: no event is of the future, no notifier far off', 'clocks agree');
select orderbell.notifier_beat('n1', 'one:8081', '0.1', 'listen', clock_timestamp() + interval '1 hour');
select matches(test.says('clock'), '^false: one:8081 is off by 00:59:5', 'that of a notifier does not');
select orderbell.notifier_beat('n1', 'one:8081', '0.1', 'listen', clock_timestamp() - interval '2 seconds');
select is(test.says('clock'), 'true: no event is of the future, no notifier far off', 'two seconds harm nobody');
select test.paid(:m);
update orderbell.order_event set created_at = clock_timestamp() + interval '5 minutes';
select matches(test.says('clock'), '^false: the server''s was ahead by 00:0[45]:', 'that of the server was set back');
delete from orderbell.order_event;

select is(test.says('roles'), 'false: no login has orderbell_fcgi: grant orderbell_fcgi to the program''s, no login has orderbell_notifier: grant orderbell_notifier to the program''s', 'nobody logs in as the programs');
begin;
create role some_program login in role orderbell_fcgi, orderbell_notifier;
select is(test.says('roles'), 'true: both programs'' have a login', 'somebody does');
rollback;

select is(test.says('merchants out of reach'), 'true: 0 with waiting events and no terminal online: see orderbell.waiting', 'nothing waits');
select test.paid(:m), test.paid(:m), test.paid(:n);
select is(test.says('merchants out of reach'), 'false: 2 with waiting events and no terminal online: see orderbell.waiting', 'two merchants have no terminal');
select orderbell.tell_presence('n1', '{1}', array[:m]::bigint[], '{till-1}', '{v1}', '{armed}', '{now}', '{}');
select is(test.says('merchants out of reach'), 'false: 1 with waiting events and no terminal online: see orderbell.waiting', 'one has');
select orderbell.ack(:n, array[1], 'x');
select is(test.says('merchants out of reach'), 'true: 0 with waiting events and no terminal online: see orderbell.waiting', 'one waits for nothing');
select is(test.says('muted terminals'), 'true: 0 cannot be heard: see orderbell.terminals_online', 'all can be heard');
select orderbell.tell_presence('n1', '{1}', array[:m]::bigint[], '{till-1}', '{v1}', '{blocked}', '{now}', '{}');
select is(test.says('muted terminals'), 'false: 1 cannot be heard: see orderbell.terminals_online', 'one cannot');
select orderbell.notifier_gone('n1');
select is(test.says('muted terminals'), 'true: 0 cannot be heard: see orderbell.terminals_online', 'and is gone');

select is(test.says('alerts'), 'true: 0 within a day: see orderbell.alerts', 'no alert');
insert into orderbell.alert (kind, merchant_id, event_id, seq, terminals, detail) values ('ignored', :m, 1, 1, 1, 'x'), ('ignored', :m, 2, 2, 1, 'x');
select is(test.says('alerts'), 'false: 2 within a day: see orderbell.alerts', 'two');
update orderbell.alert set created_at = now() - interval '25 hours' where event_id = 1;
select is(test.says('alerts'), 'false: 1 within a day: see orderbell.alerts', 'one is older');
select is((select count(*) from orderbell.doctor()), (select count(distinct check_name) from orderbell.doctor()), 'each check is one row');

delete from orderbell.order_event;
truncate orderbell.alert, orderbell.notifier, orderbell.presence;
select * from finish();
