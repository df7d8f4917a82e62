-- pay(): once, whatever the gateway does.
\unset ON_ERROR_ROLLBACK
select plan(49);
select test.merchant() as m \gset
select test.open('a') as a_pid, test.open('b') as b_pid \gset

select test.order(:m) as o \gset
select * from orderbell.pay(test.number_of(:o), 38.00, 'webhook', 'tx1') \gset
select is(:'verdict'::text, 'paid', 'an order is paid');
select is(array[:order_id, :merchant_id]::bigint[], array[:o, :m]::bigint[], 'the answer names it and its merchant');
select is((select (status, pay_status, checkout_time is not null, pay_method)::text from orderbell.orders where id = :o),
	'(2,1,t,1)', 'it is to be confirmed now');
select is((select (id, seq, type, content)::text from orderbell.order_event where order_id = :o),
	format('(%s,1,1,%s)', :event_id, '订单号:' || test.number_of(:o)), 'and its event is there');
select is(orderbell.pay(test.number_of(:o), 38.00, 'webhook', 'tx1')::text, format('(already_paid,%s,%s,,f)', :o, :m),
	'a second callback changes nothing, and is answered without an event');
select is((select count(*) from orderbell.order_event where order_id = :o), 1::bigint, 'one event it is');

select is((select verdict from orderbell.pay(test.number_of(:o), 38.00, 'alipay', 'tx1b')), 'already_paid', 'nor does one of another gateway');
select test.order(:m) as o \gset
select test.try('a', 'begin', format('update orderbell.orders set pay_status = 1 where id = %s', :o));
select test.start('b', format('select orderbell.pay(%L, 38.00, ''webhook'', ''tx1c'')::text', test.number_of(:o)));
select test.until_it_waits(:b_pid), test.try('a', 'commit');
select is(test.finish('b'), 'done', 'a callback beside an update by SQL');
select is((select count(*) from orderbell.order_event where order_id = :o), 1::bigint, 'makes no second one');

-- 32 at once
select test.order(:m) as o \gset
create temporary table payer as select 'p' || g as name, test.open('p' || g) as pid from generate_series(1, 32) g;
select test.try('a', 'begin', format('select id from orderbell.orders where id = %s for update', :o));
create function test.send_pay(p_name text, p_order bigint) returns void language sql as $$
	select test.start(p_name, format('select verdict from orderbell.pay(%L, 38.00, ''webhook'', ''tx2'', ''later'', '
		'p_notification_id => ''n2'')', test.number_of(p_order)))
$$;
create function test.verdict(p_name text) returns text language plpgsql as $$
declare
	v_verdict text;
begin
	select t.verdict into v_verdict from dblink_get_result(p_name) as t(verdict text);
	perform from dblink_get_result(p_name) as t(verdict text);
	return v_verdict;
end $$;
select count(test.send_pay(name, :o)) from payer;
select ok(test.until(format('select count(*) = 32 from pg_locks where not granted and pid in (%s)',
	(select string_agg(pid::text, ',') from payer))), '32 callbacks come for one order at the same time');
select test.try('a', 'rollback');
create temporary table answer as select test.verdict(name) as verdict from payer;
select results_eq('select verdict, count(*) from answer group by 1 order by 1',
	$$ values ('already_paid', 31::bigint), ('paid', 1::bigint) $$, 'one of them pays it, the others see it paid');
select is((select count(*) from orderbell.order_event where order_id = :o), 1::bigint, 'there is one event');
select is(test.stream(:m), 'whole 3', 'with one seq');
select is((select (verdict, count)::text from orderbell.payment_callback where number = test.number_of(:o)), '(paid,32)',
	'and one row tells of all 32');

create temporary table wave as select test.order(:m) as id from generate_series(1, 25);
create function test.storm(p_orders bigint[]) returns text language plpgsql as $$
declare
	v_order bigint;
	v_paid bigint := 0;
begin
	foreach v_order in array p_orders loop
		perform count(test.send_pay(name, v_order)) from payer;
		select v_paid + count(*) into v_paid from (select test.verdict(name) as verdict from payer) v where v.verdict = 'paid';
	end loop;
	return v_paid;
end $$;
select is(test.storm((select array_agg(id) from wave)), '25', '25 orders, 32 callbacks each: each is paid once');
select is(test.stream(:m), 'whole 28', 'and rings once');
select count(test.close(name)) from payer;

-- refused
select test.listen('ear');
select test.order(:m, 38.00) as o \gset
select is((select verdict from orderbell.pay('NOBODY', 1, 'webhook', 'tx3')), 'unknown_order', 'an unknown order');
select is((select verdict from orderbell.pay(test.number_of(:o), 37.99, 'webhook', 'tx4')), 'amount_differs', 'another amount');
select is((select verdict from orderbell.pay(test.number_of(:o), 38.00, 'webhook', 'tx5', p_currency => 'USD')),
	'amount_differs', 'another currency');
select is((select verdict from orderbell.pay(test.number_of(:o), 38.00, 'webhook', 'tx5', p_currency => 'CNY')),
	'paid', 'the shop''s currency');
select test.order(:m) as c, test.order(:m) as r \gset
update orderbell.orders set status = 6 where id = :c;
update orderbell.orders set status = 7, pay_status = 2 where id = :r;
select is((select verdict from orderbell.pay(test.number_of(:c), 38.00, 'webhook', 'tx6')), 'cancelled', 'a cancelled order');
select is((select verdict from orderbell.pay(test.number_of(:r), 38.00, 'webhook', 'tx7')), 'refunded', 'a refunded order');
select results_eq($$ select kind, number, amount, transaction_id from orderbell.payment_exception
		where gateway = 'webhook' order by id $$,
	format($$ values ('unknown_order', 'NOBODY', 1.00, 'tx3'), ('amount_differs', %L, 37.99, 'tx4'),
		('amount_differs', %1$L, 38.00, 'tx5'), ('cancelled', %L, 38.00, 'tx6'), ('refunded', %L, 38.00, 'tx7') $$,
		test.number_of(:o), test.number_of(:c), test.number_of(:r)), 'each leaves an exception');
select is((select count(*) from test.heard('ear') h where h like 'order_alerts%'), 5::bigint, 'and an alert');
select is((select (status, pay_status)::text from orderbell.orders where id = :c), '(6,0)', 'and no order is changed');
select orderbell.pay('NOBODY', 1, 'webhook', 'tx3') from generate_series(1, 10);
select orderbell.pay(test.number_of(:c), 38.00, 'webhook', 'tx6') from generate_series(1, 10);
select is((select count(*) from orderbell.payment_exception where gateway = 'webhook'), 5::bigint,
	'a gateway that repeats itself leaves no second one');
select is_empty($$ select h from test.heard('ear') h where h like 'order_alerts%' $$, 'nor an alert');
select is((select (order_amount, status)::text from orderbell.payment_exceptions where transaction_id = 'tx6'),
	'(38.00,6)', 'the view shows the order beside it');

-- by SQL
update orderbell.orders set pay_status = 1 where id = :c;
select is((select count(*) from orderbell.order_event where order_id = :c), 0::bigint, 'a cancelled order that is paid by SQL does not ring');
select is((select (kind, number, gateway)::text from orderbell.payment_exceptions where order_id = :c and gateway is null),
	format('(cancelled,%s,)', test.number_of(:c)), 'but leaves an exception');
select test.order(:m) as o \gset
update orderbell.orders set pay_status = 1, status = 2 where id = :o;
select is((select count(*) from orderbell.order_event where order_id = :o and type = 1), 1::bigint, 'any other rings as if it were called back');
update orderbell.orders set pay_status = 1, status = 2, remark = 'again' where id = :o;
select is((select count(*) from orderbell.order_event where order_id = :o and type = 1), 1::bigint, 'once');
insert into orderbell.orders (id, number, amount, merchant_id) values (:o, 'X', 1, :m) on conflict (id) do update set pay_status = 0;
insert into orderbell.orders (id, number, amount, merchant_id) values (:o, 'X', 1, :m) on conflict (id) do update set pay_status = 1;
select is((select count(*) from orderbell.order_event where order_id = :o and type = 1), 2::bigint, 'also by an upsert');
create function test.shop_rule() returns trigger language plpgsql as $$ begin new.pay_status := 1; return new; end $$;
create trigger shop_rule before update on orderbell.orders for each row when (new.remark = 'paid') execute function test.shop_rule();
select test.order(:m) as o \gset
update orderbell.orders set remark = 'paid' where id = :o;
select is((select count(*) from orderbell.order_event where order_id = :o), 1::bigint, 'and where a BEFORE trigger of the shop''s pays it');
drop trigger shop_rule on orderbell.orders;

-- arguments
select test.order(:m) as o \gset
select is((select verdict from orderbell.pay(test.number_of(:o), null)), 'paid', 'without an amount none is compared');
select test.order(:m) as o \gset
select throws_ok(format('select orderbell.pay(%L, 38, p_bell => ''never'')', test.number_of(:o)), '22023');
select is((select verdict from orderbell.pay(test.number_of(:o), 38, p_user_id => 5)), 'unknown_order', 'another user''s order is unknown');
select is((select count(*) from orderbell.payment_exception where number = test.number_of(:o)), 0::bigint,
	'and leaves no exception: no money came');
update orderbell.orders set user_id = 5 where id = :o;
select is((select verdict from orderbell.pay(test.number_of(:o), null, p_user_id => 5, p_pay_method => 2)), 'paid', 'his own is paid');
select is((select pay_method from orderbell.orders where id = :o), 2, 'by the method he chose');
select test.order(:m) as o \gset
update orderbell.orders set status = 4 where id = :o;
select is((select verdict from orderbell.pay(test.number_of(:o), 38)), 'paid', 'an order paid on delivery');
select is((select status from orderbell.orders where id = :o), 4, 'stays on its way');
set orderbell.currency = 'EUR';
select test.order(:m) as o \gset
select is((select verdict from orderbell.pay(test.number_of(:o), 38, p_currency => 'CNY')), 'amount_differs', 'a shop has its currency');
select is((select verdict from orderbell.pay(test.number_of(:o), 38)), 'paid', 'which is meant where none is named');
reset orderbell.currency;

-- pay() takes the stream at commit only
select test.order(:m) as o, test.order(:m) as p \gset
select test.try('a', 'begin', format('select orderbell.pay(%L, 38)::text', test.number_of(:o)));
select test.try('b', 'set lock_timeout = 500');
select is(test.try('b', format('select orderbell.pay(%L, 38)::text', test.number_of(:p))), 'done',
	'a payment left open delays no other of the merchant');
select is(test.try('b', format('select orderbell.pay(%L, 38)::text', test.number_of(:o))), '55P03', 'but those of the same order');
select test.try('a', 'commit');

-- A trigger of the shop's that forbids it: money is not to vanish behind a "paid".
create function test.forbids() returns trigger language plpgsql as $$ begin return null; end $$;
create function test.undoes() returns trigger language plpgsql as $$ begin new.pay_status := 0; return new; end $$;
select test.order(:m) as o \gset
create trigger shop_forbids before update on orderbell.orders for each row execute function test.forbids();
select throws_ok(format('select orderbell.pay(%L, 38)', test.number_of(:o)), '27000', null, 'an order that does not become paid is not said to be');
drop trigger shop_forbids on orderbell.orders;
create trigger shop_undoes before update on orderbell.orders for each row execute function test.undoes();
select throws_ok(format('select orderbell.pay(%L, 38, p_bell => ''alone'')', test.number_of(:o)), '27000', null, 'nor one that a trigger makes unpaid again');
drop trigger shop_undoes on orderbell.orders;
select is((select verdict from orderbell.pay(test.number_of(:o), 38.00)), 'paid', 'without them it is paid');

select test.close('a'), test.close('b'), test.close('ear');
select * from finish();
