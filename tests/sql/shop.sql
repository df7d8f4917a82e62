-- The shop's own statements: they go through, whoever it is and whatever is wrong with our side.
\unset ON_ERROR_ROLLBACK
select plan(20);
select test.merchant() as m \gset
create role test_shop login;
grant usage on schema orderbell to test_shop;
grant select, insert, update on orderbell.orders to test_shop;
select test.open('shop', 'test_shop') as shop_pid \gset

-- No right on any of our tables
select test.order(:m) as o \gset
select is(test.try('shop', format('update orderbell.orders set pay_status = 1, status = 2 where id = %s', :o)), 'done',
	'a role without rights on our tables pays its order');
select is((select seq from orderbell.order_event where order_id = :o), 1::bigint, 'which rings');
select is(test.try('shop', 'begin', format('insert into orderbell.orders (number, amount, merchant_id, pay_status)
	select ''S'' || g, 1, %s, 1 from generate_series(1, 3) g', :m), 'commit'), 'done', 'or many in a transaction');
select is(test.stream(:m), 'whole 4', 'which ring');
select is(test.try('shop', format('update orderbell.orders set status = 3 where id = %s', :o)), 'done', 'and confirms it');
select is((select acked_by from orderbell.order_event where order_id = :o), 'order', 'which acks it');
select test.order(:m) as o \gset
select is(test.try('shop', 'begin', 'set local orderbell.bell = later',
	format('update orderbell.orders set pay_status = 1 where id = %s', :o), 'commit'), 'done', 'with the bell later, too');
select is(test.try('shop', 'select count(*) from orderbell.order_event'), '42501', 'but reads no event');
select is(test.try('shop', format('insert into orderbell.order_event (merchant_id, type, content) values (%s, 1, ''x'')', :m)), '42501', 'nor writes one');
select is(test.try('shop', 'select orderbell.number_own(0)'), '42501', 'nor calls what is internal');
select is(test.try('shop', 'select orderbell.prune()'), '42501', 'nor a verb');

-- Another role commits than wrote
begin;
select test.paid(:m);
set local role test_shop;
commit;
select is(test.stream(:m), 'whole 6', 'it does not matter as whom a transaction commits');

-- A hostile search_path and settings of its own
select test.try('shop', 'create temporary table order_event (id int)', 'create temporary table stream (id int)',
	'set search_path = pg_temp, orderbell, public', 'set plan_cache_mode = force_generic_plan',
	'set transform_null_equals = on', 'set standard_conforming_strings = off', 'set datestyle = german',
	'set orderbell.numbered = ''1 9223372036854775807''', 'set orderbell.quiet = '''', ''and more''');
select test.order(:m) as o \gset
select is(test.try('shop', format('update orderbell.orders set pay_status = 1 where id = %s', :o)), 'done',
	'nor what its session is set to');
select is(test.stream(:m), 'whole 7', 'the event is where it belongs');

-- A merchant that does not exist
select test.listen('ear');
select test.try('shop', 'begin', 'insert into orderbell.orders (number, amount, merchant_id, pay_status) values (''U1'', 5, -1, 1)',
	format('insert into orderbell.orders (number, amount, merchant_id, pay_status) values (''U2'', 6, %s, 1)', :m));
select is(test.try('shop', 'commit'), 'done', 'an unknown merchant does not fail the statement');
select results_eq($$ select kind, merchant_id, number, amount, detail from orderbell.payment_exceptions where number in ('U1', 'U2') $$,
	$$ values ('unknown_merchant', -1::bigint, 'U1', 5.00, '订单号:U1') $$, 'an exception is left');
select is(test.stream(:m), 'whole 8', 'and the others ring');
select test.try('shop', 'insert into orderbell.orders (number, amount, merchant_id, pay_status) values (''U3'', 5, -1, 1)');
select is((select count(*) from orderbell.payment_exception where number = 'U3'), 1::bigint, 'the same goes for a single one');

-- A merchant that is deleted, and made again
delete from orderbell.merchant where id = :m;
select test.try('shop', format('insert into orderbell.orders (number, amount, merchant_id, pay_status) values (''U4'', 5, %s, 1)', :m));
select is((select count(*) from orderbell.payment_exception where number = 'U4'), 1::bigint, 'a deleted merchant is an unknown one');
insert into orderbell.merchant (id, name) values (:m, 'again');
select test.try('shop', format('insert into orderbell.orders (number, amount, merchant_id, pay_status) values (''U5'', 5, %s, 1)', :m));
select is(test.stream(:m), 'whole 9', 'one that is made again goes on with its seqs');

select test.close('shop'), test.close('ear');
drop owned by test_shop;
drop role test_shop;
select * from finish();
