-- remind() and notify(): events that are no payment.
\unset ON_ERROR_ROLLBACK
select plan(21);
select test.merchant() as m \gset
select test.open('a') as a_pid, test.open('b') as b_pid \gset
select test.paid(:m) as o \gset
update orderbell.orders set user_id = 5 where id = :o;

select * from orderbell.remind(:o, 5) \gset
select is(array[:merchant_id, :'is_new'::bool::int]::bigint[], array[:m, 1]::bigint[], 'a customer reminds');
select is((select (seq, type, content)::text from orderbell.order_event where id = :event_id),
	(select format('(2,2,订单号:%s)', number) from orderbell.orders where id = :o), 'the event is there');
select is(orderbell.remind(:o, 5)::text, format('(%s,%s,f)', :event_id, :m), 'again within the minute: the same event');
select orderbell.ack(:m, array[2], 'till');
select is(orderbell.remind(:o, 5)::text, format('(%s,%s,f)', :event_id, :m), 'also when it was acked meanwhile');
select is(test.stream(:m), 'whole 2', 'and nothing is written');
update orderbell.order_event set created_at = created_at - interval '61 seconds' where id = :event_id;
select is((select is_new from orderbell.remind(:o, 5)), true, 'after the minute it is a new one');
begin;
update orderbell.order_event set created_at = created_at - interval '10 minutes' where order_id = :o;
select event_id as first from orderbell.remind(:o, 5) \gset
select is(orderbell.remind(:o, 5)::text, format('(%s,%s,f)', :first, :m), 'twice in a transaction is once');
commit;

-- In parallel
select test.paid(:m) as p \gset
select test.try('a', 'begin', format('select orderbell.remind(%s)::text', :p));
select test.start('b', format('select is_new from orderbell.remind(%s)', :p));
select ok(test.until_it_waits(:b_pid), 'reminders of one order at the same time wait for each other');
select test.try('a', 'commit');
select is(test.finish('b'), 'done', 'and');
select is((select count(*) from orderbell.order_event where order_id = :p and type = 2), 1::bigint, 'collapse');

-- Refused
select throws_ok(format('select orderbell.remind(%s, 6)', :o), 'OB404', null, 'not another user''s order');
select throws_ok('select orderbell.remind(-1)', 'OB404', null, 'nor one that does not exist');
select throws_ok(format('select orderbell.remind(%s)', test.order(:m)), 'OB409', null, 'nor one that is not paid');
update orderbell.orders set status = 5 where id = :p;
select throws_ok(format('select orderbell.remind(%s)', :p), 'OB409', null, 'nor one that is done');
select test.paid(:m) as p, test.paid(:m) as q, test.order(:m) as r \gset
update orderbell.orders set status = 4 where id = :p;
select is((select is_new from orderbell.remind(:p)), true, 'but one that is on its way');
update orderbell.orders set pay_status = 1 where id = :r;
select is((select is_new from orderbell.remind(:r)), true, 'and one that was paid and whose status was left alone');
update orderbell.orders set status = 7, pay_status = 2 where id = :q;
select throws_ok(format('select orderbell.remind(%s)', :q), 'OB409', null, 'not a refunded one');

-- notify()
select orderbell.notify(:m, 7, '厨房着火了', :o) as id \gset
select is((select (type, order_id, content)::text from orderbell.order_event where id = :id and seq is not null),
	format('(7,%s,厨房着火了)', :o), 'notify() rings with a text of the shop''s own');
select throws_ok('select orderbell.notify(-1, 7, ''x'')', 'OB404', null, 'not at a merchant that does not exist');
select throws_ok(format('select orderbell.notify(%s, 0, ''x'')', :m), '22023', null, 'its type is 1 or more');
select throws_ok(format('select orderbell.notify(%s, 7, repeat(''x'', 32769))', :m), '22023', null, 'and its text has a bound');
select test.close('a'), test.close('b');
select * from finish();
