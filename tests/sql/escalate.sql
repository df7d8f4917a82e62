-- escalate(): events that nobody acks become alerts, once each, and it costs nobody anything.
\unset ON_ERROR_ROLLBACK
select plan(59);
-- escalate() is for all merchants: events of other tests must not be there.
delete from orderbell.order_event;
truncate orderbell.alert, orderbell.escalation, orderbell.notifier, orderbell.presence, orderbell.delivery;
select test.merchant() as m, test.merchant() as n \gset
select test.open('a') as a_pid, test.open('b') as b_pid \gset
select test.listen('ear');
create function test.older(p_merchant bigint, p_by interval) returns void language sql as
	$$ update orderbell.order_event set created_at = created_at - p_by where merchant_id = p_merchant and acked_at is null $$;
create function test.alerts(p_merchant bigint) returns text language sql as
	$$ select string_agg(seq || ' ' || kind, ', ' order by id) from orderbell.alert where merchant_id = p_merchant $$;
create function test.rested() returns void language sql as $$ update orderbell.escalation set rests_until = '-infinity' $$;
create function test.online_as(p_merchant bigint, p_kind text, p_audio text default 'armed') returns void language sql as $$
	select orderbell.tell_presence('n1', array[1], array[p_merchant], '{till-1}', array[p_kind], array[p_audio], '{now}', '{}')
$$;

-- An alert
select test.paid(:m) as o \gset
select test.heard('ear');
select is(orderbell.escalate('1 minute'), 0::bigint, 'an event that is young is none');
select is(test.alerts(:m), null, 'and leaves nothing');
select test.older(:m, '40 seconds');
select is(orderbell.escalate('1 minute'), 0::bigint, 'nor one that has some seconds left');
select test.older(:m, '21 seconds'), test.rested();
select is(orderbell.escalate('1 minute'), 1::bigint, 'one that nobody acked for a minute is');
select id as event, seq from orderbell.order_event where order_id = :o \gset
select is((select (kind, merchant_id, event_id, seq, order_id, terminals, detail)::text from orderbell.alert),
	format('(unreachable,%s,%s,1,%s,0,"no terminal is connected; not sent to any terminal")', :m, :event, :o), 'a row says whose and why');
select is((select array_agg(regexp_replace(h, '\s*([:,])\s*', '\1', 'g')) from test.heard('ear') h),
	array[format('order_alerts {"alert":"unreachable","merchant":%s,"seq":1,"orderId":%s,"event":%s}', :m, :o, :event)], 'whoever listens is told');
select test.rested();
select is(orderbell.escalate('1 minute'), 0::bigint, 'once');
select test.rested();
select is(orderbell.escalate('30 seconds'), 0::bigint, 'also by a notifier that waits for another time');
truncate orderbell.escalation;
select is(orderbell.escalate('1 minute'), 0::bigint, 'and after a crash of the server');
select is_empty($$ select test.heard('ear') $$, 'nothing is told again');
select test.paid(:m);
select test.paid(:m);
select orderbell.ack(:m, array[2], 'till');
select test.older(:m, '2 minutes'), test.rested();
select is(orderbell.escalate('1 minute'), 1::bigint, 'what was acked is none');
select is(test.alerts(:m), '1 unreachable, 3 unreachable', 'what was not is');
select orderbell.notify(:m, 9, 'x');
select test.older(:m, '2 minutes'), test.rested(), test.heard('ear');
select orderbell.escalate('1 minute');
select is((select regexp_replace(h, '\s*([:,])\s*', '\1', 'g') from test.heard('ear') h), format('order_alerts {"alert":"unreachable","merchant":%s,"seq":4,"orderId":null,"event":%s}',
	:m, (select id from orderbell.order_event where merchant_id = :m and seq = 4)), 'an event without an order, too');

-- Ignored, or out of reach
create function test.next(p_merchant bigint) returns text language plpgsql as $$
declare
	v_order bigint := test.paid(p_merchant);
begin
	set constraints all immediate;
	perform test.older(p_merchant, '2 minutes'), test.rested(), orderbell.escalate('1 minute');
	return (select kind || ' ' || terminals || ' ' || detail from orderbell.alert where order_id = v_order);
end $$;
select orderbell.notifier_beat('n1', 'one', '0.1', 'listen'), test.online_as(:m, 'v1');
select is(test.next(:m), 'ignored 1 1 connected, 1 with sound; not sent to any terminal', 'with a terminal online it is ignored');
select test.online_as(:m, 'v1', 'blocked');
select is(test.next(:m), 'ignored 1 1 connected, 0 with sound; not sent to any terminal', 'also by one that cannot be heard');
select is(test.next(:n), 'unreachable 0 no terminal is connected; not sent to any terminal', 'another merchant''s terminal is none');
update orderbell.notifier set lease_until = now() - interval '1 second';
select is(test.next(:m), 'unreachable 0 no terminal is connected; not sent to any terminal', 'nor one whose notifier''s lease has ended');
select orderbell.notifier_gone('n1');
select is(test.next(:m), 'unreachable 0 no terminal is connected; not sent to any terminal', 'or that is gone');
select orderbell.notifier_beat('n1', 'one', '0.1', 'listen'), test.online_as(:m, 'poll', 'unknown');
select is(test.next(:m), 'ignored 1 1 connected, 0 with sound; not sent to any terminal', 'one that polls is one');
update orderbell.presence set seen_at = now() - interval '61 seconds';
select is(test.next(:m), 'unreachable 0 no terminal is connected; not sent to any terminal', 'for a minute');
select orderbell.tell_presence('n1', '{1, 2, 3}', array[:m, :m, :m]::bigint[], '{till-1, till-1, till-2}', '{v1, v1, sse}', '{armed, armed, unknown}',
	'{now, now, now}', '{}');
select test.paid(:m) as o \gset
select orderbell.tell_delivered(array[(select id from orderbell.order_event where order_id = :o)], array['2026-01-01 00:00:00+00'::timestamptz], '{till-2}');
select test.older(:m, '2 minutes'), test.rested();
select orderbell.escalate('1 minute');
select is((select kind || ' ' || terminals || ' ' || detail from orderbell.alert where order_id = :o),
	'ignored 2 2 connected, 1 with sound; first sent to till-2 at 2026-01-01 00:00:00+00', 'and it is said what is known');

-- The view
select orderbell.ack(:m, array[1], 'late');
select is((select (kind, seq, acked_by, acked_at is null, merchant, content)::text from orderbell.alerts where merchant_id = :m order by id limit 1),
	(select format('(unreachable,1,late,f,"of a test",%s)', content) from orderbell.order_event where id = :event), 'alerts says who acked it after all');
select is((select array_agg(seq order by n) from (select seq, row_number() over () as n from orderbell.alerts where merchant_id = :m) a),
	(select array_agg(seq order by id desc) from orderbell.alert where merchant_id = :m), 'the newest first');

-- A merchant's own time
delete from orderbell.order_event;
truncate orderbell.escalation, orderbell.alert;
select test.merchant() as soon, test.merchant() as late, test.merchant() as never, test.merchant() as other \gset
update orderbell.merchant set escalate_after = '5 seconds' where id = :soon;
update orderbell.merchant set escalate_after = '1 hour' where id = :late;
update orderbell.merchant set escalate_after = '0' where id = :never;
create function test.escalated(p_after interval) returns text language plpgsql as $$
declare
	v_last bigint := (select coalesce(max(id), 0) from orderbell.alert);
begin
	perform test.rested(), orderbell.escalate(p_after);
	return (select string_agg(m.id::text, ' ' order by m.id) from orderbell.alert a join orderbell.merchant m on m.id = a.merchant_id where a.id > v_last);
end $$;
select count(test.paid(id)) from unnest(array[:soon, :late, :never, :other]) id;
select test.escalated('1 minute');
select count(test.older(id, '10 seconds')) from unnest(array[:soon, :late, :never, :other]) id;
select is(test.escalated('1 minute'), :'soon', 'a merchant may have a shorter time');
select count(test.older(id, '1 minute')) from unnest(array[:soon, :late, :never, :other]) id;
select is(test.escalated('0'), null, 'with none given nobody else''s is one');
select is(test.escalated('1 minute'), :'other', 'the notifiers'' is everybody else''s');
select count(test.older(id, '1 hour')) from unnest(array[:soon, :late, :never, :other]) id;
select is(test.escalated('0'), :'late', 'or a longer one, which holds also where none is given');
select count(test.older(id, '1 year')) from unnest(array[:soon, :late, :never, :other]) id;
select is(test.escalated('1 minute'), null, 'or none, ever');
update orderbell.merchant set escalate_after = '1 hour' where id = :never;
select is(test.escalated('1 minute'), :'never', 'until it is changed');
select throws_ok(format('update orderbell.merchant set escalate_after = ''-1 s'' where id = %s', :never), '23514', null, 'less than none is refused');
select throws_ok(format('update orderbell.merchant set escalate_after = ''1 year 1 s'' where id = %s', :never), '23514', null, 'or more than a year');
delete from orderbell.order_event;
select test.paid(:other);
select test.older(:other, '2 minutes');
delete from orderbell.merchant where id = :other;
truncate orderbell.alert;
select test.rested(), orderbell.escalate('1 minute');
select is(test.alerts(:other), '2 unreachable', 'an event of a merchant that was deleted is told as well');

-- Arguments
select throws_ok('select orderbell.escalate(null)', '22023', null, 'no time is refused');
select throws_ok('select orderbell.escalate(''-1 second'')', '22023', null, 'or less than none');
select throws_ok('select orderbell.escalate(''2 years'')', '22023', null, 'or an absurd one');
select throws_ok('select orderbell.escalate(''1 minute'', 0)', '22023', null, 'and no alert at all');
select throws_ok('select orderbell.escalate(''1 minute'', null)', '22023', null, 'or any number');

-- No more than it is told, and all in the end, in the order of their time
delete from orderbell.order_event;
truncate orderbell.escalation, orderbell.alert;
insert into orderbell.orders (number, amount, merchant_id, pay_status) select 'E' || g, 1, :m, 1 from generate_series(1, 100) g;
update orderbell.order_event set created_at = date_trunc('second', now()) - interval '2 minutes' + (seq % 7) * interval '1 second' where merchant_id = :m;
select is(orderbell.escalate('1 minute', 30), 30::bigint, 'it raises no more than it is told');
select is(orderbell.escalate('1 minute', 30) + orderbell.escalate('1 minute', 30) + orderbell.escalate('1 minute', 30), 70::bigint, 'the rest when called again');
select is(orderbell.escalate('1 minute', 30), 0::bigint, 'and then none');
select is((select count(distinct event_id) from orderbell.alert), 100::bigint, 'each has its own');
select is((select array_agg(a.event_id order by a.id) from orderbell.alert a),
	(select array_agg(e.id order by e.created_at, e.id) from orderbell.order_event e where e.merchant_id = :m), 'the oldest came first, those of one moment, too');

-- Callers at the same time: one raises, the others go home
select test.paid(:m);
select test.older(:m, '2 minutes'), test.rested();
select test.try('a', 'begin', 'select orderbell.escalate(''1 minute'')');
select is(test.value('b', 'orderbell.escalate(''1 minute'')'), '0', 'who comes while another is at it returns at once');
select is(test.try('b', 'set lock_timeout = 5000', format('select test.paid(%s)', :m),
	format('select orderbell.ack(%s, array[(select max(seq) - 1 from orderbell.order_event where merchant_id = %1$s)], ''b'')', :m),
	format('update orderbell.orders set status = 3 where id = (select max(order_id) from orderbell.order_event where merchant_id = %s)', :m),
	format('update orderbell.merchant set escalate_after = ''1 minute'', name = ''x'' where id = %s', :n), 'select orderbell.prune()'), 'done',
	'no payment waits for it, no ack, no order that moves on, no DBA and no prune()');
select test.try('a', 'rollback'), test.try('b', 'reset lock_timeout');
update orderbell.order_event set acked_at = null, acked_by = null where acked_by = 'b';
select is(test.value('b', 'orderbell.escalate(''1 minute'')'), '1', 'what the one does not commit the next one does');
select test.paid(:m) as o \gset
select test.older(:m, '2 minutes'), test.rested();
select test.try('a', 'begin', 'select orderbell.escalate(''1 minute'')');
select test.start('b', 'select orderbell.escalate(''61 seconds'')');
select ok(test.until_it_waits(:b_pid), 'one that waits for another time waits for the same event');
select test.try('a', 'commit');
select is(test.finish('b'), 'done', 'and does not fail');
select is((select count(*) from orderbell.alert where order_id = :o), 1::bigint, 'one alert it is');

-- Two psql sessions and more, really at the same time
create table test.raised (by text, n bigint);
create procedure test.escalates(p_by text, p_after interval, p_rounds int) language plpgsql as $$
begin
	for i in 1 .. p_rounds loop
		update orderbell.escalation x set rests_until = '-infinity'
		where (x.after, x.is_default) in (select y.after, y.is_default from orderbell.escalation y for no key update skip locked);
		insert into test.raised select p_by, n from orderbell.escalate(p_after, 7) n where n > 0;
		commit;
	end loop;
end $$;
create procedure test.pays(p_merchant bigint, p_rounds int) language plpgsql as $$
begin
	for i in 1 .. p_rounds loop
		perform test.paid(p_merchant);
		commit;
		update orderbell.order_event set created_at = created_at - interval '2 minutes'
		where merchant_id = p_merchant and created_at > now() - interval '1 minute';
		commit;
	end loop;
end $$;
select test.merchant() as busy \gset
select test.heard('ear');
create temporary table caller as select 'c' || g as name, test.open('c' || g) from generate_series(1, 6) g;
select test.start('a', format('call test.pays(%s, 400)', :busy));
select count(test.start(name, format('call test.escalates(%L, %L, 300)', name, case when name < 'c5' then interval '1 minute' else interval '90 seconds' end)))
from caller;
select is((select string_agg(distinct test.finish(name), ' ') from caller) || test.finish('a'), 'donedone', 'six callers and a payer do not fail');
create function test.whole_round() returns bigint language plpgsql as $$
declare
	v_n bigint := 0;
begin
	for i in 1 .. 20 loop
		perform test.rested();
		v_n := v_n + orderbell.escalate('1 minute');
	end loop;
	return v_n;
end $$;
insert into test.raised select 'end', test.whole_round();
select is((select (count(*), count(distinct event_id))::text from orderbell.alert where merchant_id = :busy), '(400,400)', 'each event has one alert');
select is((select sum(n) from test.raised)::bigint, (select count(*) from orderbell.alert where merchant_id = :busy), 'which one caller counts as his');
select ok((select count(distinct by) > 1 from test.raised), 'not always the same');
select is((select (count(*), count(distinct h))::text from test.heard('ear') h where h like 'order_alerts%'), '(400,400)', 'and is told once');
select count(test.close(name)) from caller;

-- What was passed over is found
delete from orderbell.order_event;
truncate orderbell.escalation, orderbell.alert;
select test.try('a', 'begin', 'set constraints all immediate', format('select test.paid(%s)', :m));
select clock_timestamp() as numbered \gset
select test.until(format('select clock_timestamp() > %L::timestamptz + interval ''0.1 s''', :'numbered'));
select orderbell.escalate('0.05 seconds');
select ok((select looked_until > :'numbered' from orderbell.escalation where is_default), 'it has come further than an event whose commit takes long');
select test.try('a', 'commit'), test.rested();
select is(orderbell.escalate('0.05 seconds'), 1::bigint, 'which is found all the same');
update orderbell.escalation set looked_until = now() + interval '1 hour', swept_until = now() + interval '30 minutes', rests_until = now() + interval '1 hour';
select test.paid(:m);
select test.until('select orderbell.escalate(''0.05 seconds'') = 1');
select is((select count(*) from orderbell.alert), 2::bigint, 'so is one after the clock was put back');

-- With 100,000 events that all have their alert
delete from orderbell.order_event;
truncate orderbell.escalation, orderbell.alert;
set session_replication_role = replica;
insert into orderbell.order_event (merchant_id, seq, type, content, created_at)
select :m, 1000 + g, 1, 'x', now() - interval '1 day' + g * interval '0.5 seconds' from generate_series(1, 100000) g;
reset session_replication_role;
insert into orderbell.alert (kind, merchant_id, event_id, seq, terminals, detail) select 'ignored', e.merchant_id, e.id, e.seq, 1, '' from orderbell.order_event e;
select test.value('a', 'orderbell.escalate(''1 minute'')'), test.rested();
select cmp_ok(test.buffers_of('select orderbell.escalate(''1 minute'')'), '<', 10000::bigint, '100,000 that have their alert: it looks at a few');
select test.paid(:n);
update orderbell.order_event set created_at = (select looked_until from orderbell.escalation where is_default) + interval '1 microsecond' where merchant_id = :n;
select is(orderbell.escalate('1 minute'), 1::bigint, 'and sees the new one at once');
update orderbell.order_event set created_at = now() - interval '12 hours' where merchant_id = :n;
delete from orderbell.alert where merchant_id = :n;
create function test.calls_until_raised() returns int language plpgsql as $$
begin
	for i in 1 .. 1000 loop
		perform test.rested();
		if orderbell.escalate('1 minute') > 0 then
			return i;
		end if;
	end loop;
end $$;
select cmp_ok(test.calls_until_raised(), '<=', 201, 'and an old one among them in its turn');
delete from orderbell.order_event;

select test.close('a'), test.close('b'), test.close('ear');
drop table test.raised;
truncate orderbell.alert, orderbell.escalation, orderbell.notifier, orderbell.presence, orderbell.delivery;
select * from finish();
