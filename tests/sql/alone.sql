-- pay() with the bell alone: seqs at once, and everything else as ever.
\unset ON_ERROR_ROLLBACK
select plan(35);
select test.listen('ear');
select test.open('a') as a_pid, test.open('b') as b_pid \gset
select test.merchant() as m, test.merchant() as n \gset
create function test.pays(p_order bigint) returns text language sql as $$
	select format('select orderbell.pay(%L, 38.00, ''webhook'', ''tx'', ''alone'')::text', test.number_of(p_order))
$$;

select test.order(:m) as o \gset
select test.try('a', 'begin');
select test.value('a', format('(select event_id from orderbell.pay(%L, 38.00, ''webhook'', ''tx'', ''alone''))', test.number_of(:o))) as event_id \gset
select is(test.value('a', format('(select seq from orderbell.order_event where id = %s and order_id = %s)', :event_id, :o)), '1',
	'the event that is answered is the order''s, and has its seq before the commit');
select test.try('a', 'commit');
select is(test.stream(:m), 'whole 1', 'the stream says so');
select is((select (status, pay_status)::text from orderbell.orders where id = :o), '(2,1)', 'the order is paid');
select is_empty($$ select test.heard('ear') $$, 'nothing rings');
select is(test.value('a', $$ current_setting('orderbell.bell', true) $$), '', 'the setting ends with its transaction');
select test.try('a', format('select test.paid(%s)', :m));
select results_eq($$ select test.heard('ear') $$, array[format('order_events {"merchant":%s,"seq":2}', :m)],
	'and the next one of the session rings again');
select test.try('a', format('select orderbell.ring_all(array[%s, %s])', :n, :m));
select results_eq($$ select test.heard('ear') $$,
	array[format('order_events {"merchant":%s}', :n), format('order_events {"merchant":%s}', :m)],
	'ring_all() rings for several merchants');
select test.try('a', 'select orderbell.ring_all(''{}'')', 'select orderbell.ring_all(null)');
select is_empty($$ select test.heard('ear') $$, 'or for none');
select is(test.value('a', 'current_setting(''synchronous_commit'')'), 'on', 'and leaves synchronous_commit as it was');

select is(orderbell.pay(test.number_of(:o), 38.00, 'webhook', 'tx', 'alone')::text, format('(already_paid,%s,%s,,f)', :o, :m),
	'a second callback changes nothing');
select is((select count(*) from orderbell.order_event where order_id = :o), 1::bigint, 'there is one event');
select test.order(:m) as o \gset
select is((select verdict from orderbell.pay(test.number_of(:o), 39.00, 'webhook', 'ty', 'alone')), 'amount_differs',
	'another amount pays nothing');
select is(test.stream(:m), 'whole 2', 'and takes no seq');

-- what is undone takes none
select is(test.try('a', 'begin', test.pays(:o), 'rollback'), 'done', 'rolled back');
select is(test.stream(:m), 'whole 2', 'it takes no seq');
select test.try('a', 'begin', 'savepoint s', test.pays(:o), 'rollback to s', format('select test.paid(%s)', :m), 'commit');
select is(test.stream(:m), 'whole 3', 'nor in a savepoint that is rolled back');

-- others wait, for the whole transaction
select test.try('a', 'begin', test.pays(:o));
select test.start('b', format('select test.paid(%s)', :m));
select ok(test.until_it_waits(:b_pid), 'another payment of the merchant waits for its commit');
select test.try('a', 'commit');
select is(test.finish('b'), 'done', 'and no longer');
select is(test.stream(:m), 'whole 5', 'no hole');
select is((select array_agg(e.order_id = :o order by e.seq) from orderbell.order_event e where e.merchant_id = :m and e.seq > 3),
	array[true, false], 'in the order of their commits');

-- with others in one transaction
select test.order(:m) as o, test.order(:m) as p, test.order(:n) as q \gset
select count(*) from test.heard('ear');
select test.try('a', 'begin', format('select test.paid(%s)', :n), test.pays(:o), format('select test.paid(%s)', :m), test.pays(:q),
	test.pays(:p), format('select orderbell.notify(%s, 9, ''x'')', :m), 'commit');
select is(array[test.stream(:m), test.stream(:n)], array['whole 9', 'whole 2'], 'beside events that get theirs at the commit');
select is_empty($$ select test.heard('ear') $$, 'none of which rings');
select test.order(:m) as o \gset
select test.try('a', 'begin', test.pays(:o), format('delete from orderbell.order_event where order_id = %s', :o), 'rollback');
select is(test.stream(:m), 'whole 9', 'a shop that changes its mind rolls back');

-- its limits
select is(test.try('a', 'begin', test.pays(:o), 'prepare transaction ''p'''), '0A000', 'PREPARE TRANSACTION is refused');
select test.try('a', 'begin isolation level repeatable read', 'select from orderbell.orders');
select test.try('b', format('select test.paid(%s)', :m));
select is(test.try('a', test.pays(:o)), '40001', 'a REPEATABLE READ writer may have to try again');
select test.try('a', 'rollback');
select is(test.stream(:m), 'whole 10', 'no hole');
select test.try('a', 'begin', 'set local orderbell.quiet = on', test.pays(:o), 'commit');
select is(test.stream(:m), 'whole 10', 'what is imported quietly makes no event');
insert into orderbell.orders (number, amount, merchant_id) values ('of-nobody', 38, -7) returning id as o \gset
select is(test.try('a', test.pays(:o)), 'done', 'an order of nobody is paid');
select is((select count(*) from orderbell.payment_exception where order_id = :o and kind = 'unknown_merchant'), 1::bigint,
	'and becomes an exception');
select is_empty('select from orderbell.order_event where seq is null', 'not an event without seq');

-- synchronous_commit
select test.order(:m) as o \gset
select test.try('a', 'set synchronous_commit = off', 'begin', test.pays(:o));
select test.value('a', 'pg_current_wal_insert_lsn()') as lsn \gset
select test.try('a', 'commit');
select ok(pg_current_wal_flush_lsn() > :'lsn', 'a payment is flushed, whatever the session risks');

select count(*) from test.heard('ear');
-- The setting, for clients whose transactions are one statement each.
select test.order(:m) as o \gset
select test.try('a', 'set orderbell.bell = alone', format('update orderbell.orders set pay_status = 1 where id = %s', :o), 'reset orderbell.bell');
select is(test.stream(:m), 'whole 12', 'orderbell.bell = alone does the same for an UPDATE');
select is_empty($$ select test.heard('ear') $$, 'which does not ring');
select test.try('b', 'set orderbell.bell = alone', format('select test.paid(m) from unnest(array[%s, %s, %1$s]) m', :n, :m));
select is(array[test.stream(:m), test.stream(:n)], array['whole 13', 'whole 4'], 'also where it pays several after all');

-- A trigger of the shop's whose rows payments share, named to come before ours: no deadlock.
create table test.counter (n bigint);
insert into test.counter values (0);
create function test.counts() returns trigger language plpgsql as $$ begin update test.counter set n = n + 1; return null; end $$;
create trigger a_counter after insert or update on orderbell.orders for each row when (new.pay_status = 1) execute function test.counts();
select test.order(:m) as o \gset
select test.try('b', 'reset orderbell.bell', 'begin', format('select test.paid(%s)', :m));
select test.start('a', test.pays(:o));
select test.until_it_waits(:a_pid);
select is(array[test.try('b', 'commit'), test.finish('a')], array['done', 'done'], 'a trigger that comes first, with rows that payments share');
drop trigger a_counter on orderbell.orders;

select test.close('a'), test.close('b'), test.close('ear');
select * from finish();
