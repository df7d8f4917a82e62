-- After tables were restored by hand, from different moments: what it does, who says so, and what mends it.
\unset ON_ERROR_ROLLBACK
select plan(31);
delete from orderbell.order_event;
truncate orderbell.alert, orderbell.escalation, orderbell.delivery;
select test.merchant() as m, test.merchant() as n \gset
select test.open('a') as a_pid \gset
create function test.check_of(p_name text) returns boolean language sql as $$ select is_ok from orderbell.doctor() where check_name = p_name $$;
select test.paid(:m) from generate_series(1, 5);
select test.paid(:n) from generate_series(1, 2);
select orderbell.ack(:m, array[1, 2], 'till');

-- The stream is older than the events: somebody restored it alone
select epoch from orderbell.stream where merchant_id = :m \gset
update orderbell.stream set seq = 3 where merchant_id = :m;
select test.order(:m) as o \gset
select is(test.check_of('streams behind their events'), false, 'a stream that is older than its events: the doctor says so');
select is(test.try('a', format('update orderbell.orders set pay_status = 1 where id = %s', :o)), '23505', 'a payment would give a seq twice, and fails');
select is((select pay_status::int from orderbell.orders where id = :o), 0, 'as a whole: the gateway tries again');
select is((select array_agg(seq order by seq) from orderbell.order_event where merchant_id = :m), array[1, 2, 3, 4, 5]::bigint[], 'no event is lost or replaced');
select is(test.try('a', format('select test.paid(%s)', :n)), 'done', 'other merchants are not concerned');
select is(orderbell.new_epoch(:m), 1::bigint, 'new_epoch()');
select is(test.check_of('streams behind their events'), true, 'mends it');
select isnt((select epoch from orderbell.stream where merchant_id = :m), :'epoch', 'with an epoch in which no seq was given');
select is(test.try('a', format('update orderbell.orders set pay_status = 1 where id = %s', :o)), 'done', 'the payment goes through');
select is((select seq from orderbell.order_event where order_id = :o), 6::bigint, 'behind the events that are there');
select is(test.stream(:m), 'whole 6', 'without a hole');
select is((select array_agg(seq order by seq) from orderbell.waiting where merchant_id = :m), array[3, 4, 5, 6]::bigint[], 'what nobody acked waits on');
select isnt((select epoch from orderbell.stream where merchant_id = :m), (select epoch from orderbell.stream where merchant_id = :n), 'each stream has its own');

-- The events are older than the stream
select id as lost_id from orderbell.order_event where merchant_id = :m and seq = 6 \gset
delete from orderbell.order_event where id = :lost_id;
select is(test.try('a', format('select test.paid(%s)', :m)), 'done', 'a stream that is newer than its events pays');
select is((select max(seq) from orderbell.order_event where merchant_id = :m), 7::bigint, 'and gives no seq twice');
select epoch from orderbell.stream where merchant_id = :m \gset
select orderbell.new_epoch();
select ok((select epoch <> :'epoch' and seq = 7 from orderbell.stream where merchant_id = :m), 'new_epoch() lets terminals start anew, and takes no seq back');
select is((select count(*) from orderbell.stream s where s.epoch = :'epoch'), 0::bigint, 'for all merchants where none is named');

-- Event rows came back by COPY: their ids are ahead of the sequence
select last_value as id from orderbell.order_event_id_seq \gset
insert into orderbell.order_event (id, merchant_id, seq, type, content) overriding system value values (:id + 3, :m, 8, 1, 'restored');
update orderbell.stream set seq = 8 where merchant_id = :m;
select is(test.check_of('ids behind their events'), false, 'ids that are older than the events: the doctor says so');
select is((select orderbell.new_epoch()), (select count(*) from orderbell.stream), 'new_epoch()');
select is(test.check_of('ids behind their events'), true, 'mends it');
select is(test.try('a', format('select test.paid(%s) from generate_series(1, 5)', :m)), 'done', 'payments go through');
select is((select max(seq) from orderbell.order_event where merchant_id = :m), 13::bigint, 'with their seqs');
select is((select count(*) from (select id from orderbell.order_event where id > :id) e where id <= :id + 3), 1::bigint, 'behind the ids that are there');

-- What was noted of events that are not there any more
insert into orderbell.alert (kind, merchant_id, event_id, seq, terminals, detail)
select 'ignored', merchant_id, id, seq, 1, 'x' from orderbell.order_event where merchant_id = :m and seq in (3, 13);
select orderbell.tell_delivered(array_agg(id), array_agg(now()), array_agg('till'::text)) from orderbell.order_event where merchant_id = :m and seq in (3, 13);
select id as lost_id from orderbell.order_event where merchant_id = :m and seq = 13 \gset
delete from orderbell.order_event where id = :lost_id;
select orderbell.new_epoch(:m);
select is((select count(*) from orderbell.alert where event_id = :lost_id), 1::bigint, 'new_epoch() of one merchant does not look for it');
select orderbell.new_epoch();
select is((select (select count(*) from orderbell.alert where event_id = :lost_id) + (select count(*) from orderbell.delivery where event_id = :lost_id)), 0::bigint,
	'that of all forgets what was noted of events that are gone: their ids may come again');
select is((select string_agg(a.seq::text, ' ') from orderbell.alert a join orderbell.delivery d on d.event_id = a.event_id), '3', 'and nothing else');
update orderbell.order_event set created_at = now() - interval '1 hour' where acked_at is null;
select orderbell.escalate('1 minute');
select is((select array_agg(e.id order by e.id) from orderbell.order_event e where e.acked_at is null), (select array_agg(event_id order by event_id) from orderbell.alert),
	'every restored event that nobody acked has its alert');

-- Events without a seq, of a dump of an open transaction or written with triggers off, in the middle of it all
select test.try('a', 'begin', 'set local session_replication_role = replica',
	format('insert into orderbell.order_event (merchant_id, type, content, created_at) values (%s, 1, ''stray'', now() - interval ''1 day'')', :m), 'commit');
select is(orderbell.escalate('1 second'), 0::bigint, 'an event without a seq is no alert yet');
select is(orderbell.renumber(), 1::bigint, 'renumber() numbers it');
select is((select seq || ' ' || (created_at > now() - interval '1 minute') from orderbell.order_event where content = 'stray'), '14 true', 'as if it came now');
select is((select count(distinct (merchant_id, seq)) from orderbell.order_event where merchant_id = :m), (select count(*) from orderbell.order_event where merchant_id = :m),
	'in the end no seq is there twice');

select test.close('a');
delete from orderbell.order_event;
truncate orderbell.alert, orderbell.escalation, orderbell.delivery;
select * from finish();
