-- ack(), and orders that move on.
\unset ON_ERROR_ROLLBACK
select plan(25);
select test.merchant() as m, test.merchant() as n \gset
select test.open('a') as a_pid, test.open('b') as b_pid \gset
select test.listen('ear');
select test.paid(:m), test.paid(:m), test.paid(:m), test.paid(:n);
select test.heard('ear');

select results_eq(format('select orderbell.ack(%s, array[1, 3], ''till-1'')', :m), array[1, 3]::bigint[], 'ack() gives what it acked');
select is((select array_agg(acked_by order by seq) from orderbell.order_event where merchant_id = :m and acked_at is not null),
	array['till-1', 'till-1'], 'by whom and when is kept');
select is((select array_agg(regexp_replace(h, '\s*([:,])\s*', '\1', 'g')) from test.heard('ear') h),
	array[format('order_control {"acked":[1,3],"merchant":%s,"by":"till-1"}', :m)], 'the notifiers are told');
select results_eq(format('select orderbell.ack(%s, array[3, 2, 2], ''till-2'')', :m), array[2]::bigint[], 'again gives only what is new');
select is((select acked_by from orderbell.order_event where merchant_id = :m and seq = 3), 'till-1', 'the first ack stands');
select is((select count(*) from test.heard('ear')), 1::bigint, 'and is told once');
select is_empty(format('select orderbell.ack(%s, array[1, 2, 3, 99, null], ''till-2'')', :m), 'nothing new gives nothing');
select is_empty(format('select orderbell.ack(%s, null, ''till-2'')', :m), 'nor does nothing');
select is_empty($$ select test.heard('ear') $$, 'and tells nothing');
select is((select count(*) from orderbell.waiting where merchant_id = :n), 1::bigint, 'another merchant''s seq 1 is not acked');
select is((select (seq, type)::text from orderbell.waiting where merchant_id = :n), '(1,1)', 'and waits');
select is(test.try('a', 'set synchronous_commit = off', 'begin', format('select orderbell.ack(%s, array[1], ''x'')', :n)), 'done', 'an ack');
select is(test.value('a', 'current_setting(''synchronous_commit'')'), 'local', 'is flushed whatever the session wants');
select test.try('a', 'commit', 'reset synchronous_commit');

insert into orderbell.orders (number, amount, merchant_id, pay_status) select 'A' || g, 1, :n, 1 from generate_series(1, 1000) g;
select test.heard('ear');
select is((select count(*) from orderbell.ack(:n, (select array_agg(seq) from orderbell.order_event where merchant_id = :n), repeat('"', 300))),
	1000::bigint, '1000 at once');
select is((select count(*) from test.heard('ear') h, json_array_elements(substr(h, 15)::json -> 'acked')), 1000::bigint, 'are all told');
select is((select max(length(acked_by)) from orderbell.order_event where merchant_id = :n), 64, 'by a name of bounded length');

-- Two acks of the same events in opposite order
select test.paid(:m), test.paid(:m);
select test.try('a', 'begin', format('select orderbell.ack(%s, array[5, 4], ''a'')', :m));
select test.start('b', format('select orderbell.ack(%s, array[4, 5], ''b'')', :m));
select test.until_it_waits(:b_pid);
select test.try('a', 'commit');
select is(test.finish('b'), 'done', 'two terminals at once do not fail');
select is((select array_agg(distinct acked_by) from orderbell.order_event where merchant_id = :m and seq in (4, 5)), array['a'], 'the first one is it');

-- Orders that move on
select test.paid(:m) as o \gset
select orderbell.remind(:o);
select test.heard('ear');
update orderbell.orders set status = 3 where id = :o;
select is((select array_agg(acked_by) from orderbell.order_event where order_id = :o), array['order', 'order'], 'an order that moves on acks its events');
select is((select array_agg(regexp_replace(h, '\s*([:,])\s*', '\1', 'g')) from test.heard('ear') h),
	array[format('order_control {"acked":[6,7],"merchant":%s,"by":"order"}', :m)], 'and tells it');
update orderbell.orders set status = 2 where id = :o;
select orderbell.notify(:m, 3, 'x', :o);
update orderbell.orders set remark = 'x' where id = :o;
select is((select count(*) from orderbell.waiting where order_id = :o), 1::bigint, 'no other update does');
insert into orderbell.orders (number, amount, merchant_id) values ('Q1', 1, :m);
update orderbell.orders set pay_status = 1, status = 3 where number = 'Q1';
select is((select count(*) from orderbell.waiting w join orderbell.orders o on o.id = w.order_id where o.number = 'Q1'),
	1::bigint, 'one that is paid and confirmed by one statement rings');
begin;
select test.paid(:m) as p \gset
update orderbell.orders set status = 3 where id = :p;
commit;
select is((select acked_by from orderbell.order_event where order_id = :p), 'order', 'one that is by two does not');
select test.paid(:m) as p \gset
select seq from orderbell.order_event where order_id = :p \gset
select test.try('a', 'begin', format('select orderbell.ack(%s, array[%s], ''a'')', :m, :seq));
select is(test.try('b', 'set lock_timeout = 500', format('update orderbell.orders set status = 3 where id = %s', :p)), 'done',
	'an order moves on without waiting for a terminal that acks it just then');
select test.try('a', 'commit');
select is((select acked_by from orderbell.order_event where order_id = :p), 'a', 'and the terminal''s ack stands');
select test.close('a'), test.close('b'), test.close('ear');
select * from finish();
