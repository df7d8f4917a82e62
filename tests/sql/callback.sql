-- What gateways say: kept once per notification, told to a person where one must look.
\unset ON_ERROR_ROLLBACK
select plan(34);
select test.merchant() as m \gset
select test.listen('ear');
-- A callback as fcgi-order passes it on.
create function test.callback(p_number text, p_notification text, p_transaction text, p_amount numeric default 38.00,
	p_gateway text default 'wechatpay') returns text language sql as
	$$ select verdict || case when ask_again then ', again' else '' end from orderbell.pay(p_number => p_number,
		p_amount => p_amount, p_currency => 'CNY', p_gateway => p_gateway, p_transaction_id => p_transaction,
		p_bell => 'later', p_notification_id => p_notification, p_state => 'TRANSACTION.SUCCESS') $$;
create function test.kept(p_number text) returns setof text language sql as
	$$ select format('%s %s %s %s', gateway, notification_id, verdict, count) from orderbell.payment_callback
		where number = p_number order by first_at $$;
create function test.exceptions(p_number text) returns setof text language sql as
	$$ select kind || ' ' || coalesce(transaction_id, '') from orderbell.payment_exception where number = p_number order by id $$;
create function test.alerts() returns setof text language sql as
	$$ select h from test.heard('ear') h where h like 'order_alerts%' $$;

-- once and again
select test.number_of(test.order(:m)) as n \gset
select is(test.callback(:'n', 'n1', 't1'), 'paid', 'a callback pays');
select is(test.callback(:'n', 'n1', 't1'), 'already_paid', 'and comes again') from generate_series(1, 1);
select is(test.callback(:'n', 'n1', 't1'), 'already_paid', 'and again');
select results_eq(format('select test.kept(%L)', :'n'), array['wechatpay n1 paid 3'], 'one row says that it paid, and how often it came');
select ok((select last_at > first_at and state = 'TRANSACTION.SUCCESS' and transaction_id = 't1'
	from orderbell.payment_callback where number = :'n'), 'when, of what, and for which transaction');
select is(test.callback(:'n', 'n2', 't1'), 'already_paid', 'another notification of the same payment');
select results_eq(format('select test.kept(%L)', :'n'), array['wechatpay n1 paid 3', 'wechatpay n2 already_paid 1'],
	'is another row');
select is_empty(format('select test.exceptions(%L)', :'n'), 'and no exception');

-- twice
select is(test.callback(:'n', 'n3', 't2'), 'paid_twice', 'another payment of the same order');
select is(test.callback(:'n', 'n3', 't2'), 'paid_twice', 'stays one');
select is(test.callback(:'n', 'a1', 't3', 38.00, 'alipay'), 'paid_twice', 'as does one by another gateway');
select is(test.callback(:'n', 'w1', 't1', 38.00, 'webhook'), 'already_paid', 'but not the same payment told by another');
select results_eq(format('select test.exceptions(%L)', :'n'), array['paid_twice t2', 'paid_twice t3'],
	'each payment too many is an exception, once');
select results_eq('select test.alerts()', array[
	format('order_alerts {"alert" : "payment_exception", "kind" : "paid_twice", "merchant" : %s, "orderId" : %s}', :m, o.id),
	format('order_alerts {"alert" : "payment_exception", "kind" : "paid_twice", "merchant" : %s, "orderId" : %s}', :m, o.id)],
	'and an alert, though the bell is rung later') from orderbell.orders o where o.number = :'n';
select is((select count(*) from orderbell.order_event e join orderbell.orders o on o.id = e.order_id where o.number = :'n'),
	1::bigint, 'it rang once');
update orderbell.orders set status = 7, pay_status = 2 where number = :'n';
select is(test.callback(:'n', 'n1', 't1'), 'already_paid', 'what paid an order stays so after a refund');
select is(test.callback(:'n', 'n3', 't2'), 'refunded', 'which others do not');
select test.number_of(test.paid(:m)) as s \gset
select is(test.callback(:'s', 'n4', 't4'), 'already_paid', 'of an order paid by SQL nobody knows what paid it');
select is_empty(format('select test.exceptions(%L)', :'s'), 'so there is no exception');

-- unknown
select is(test.callback('LATE', 'n5', 't5'), 'unknown_order, again', 'an unknown order may be on its way');
select is(test.callback('LATE', 'n5', 't5'), 'unknown_order, again', 'for a while');
update orderbell.payment_exception set created_at = created_at - interval '10 minutes' where number = 'LATE';
select is(test.callback('LATE', 'n5', 't5'), 'unknown_order', 'then a person has it');
insert into orderbell.orders (number, amount, merchant_id) values ('LATE', 38.00, :m);
select is(test.callback('LATE', 'n5', 't5'), 'paid', 'where it comes after all it is paid');
select results_eq($$ select test.kept('LATE') $$, array['wechatpay n5 paid 4'], 'and the row says so');
select is((select (kind, pay_status)::text from orderbell.payment_exceptions where number = 'LATE'), '(unknown_order,1)',
	'the view of exceptions shows that it is paid by now');
select is((select verdict || ask_again from orderbell.pay('NOWHERE', 1)), 'unknown_orderfalse', 'a person is not asked to come again');

-- of no payment
select test.heard('ear');
select orderbell.note_callback('alipay', 'x1', 'ignored', 'LATE', 't5', 'TRADE_CLOSED') from generate_series(1, 2);
select orderbell.note_callback('wechatpay', 'x2', 'sealed', p_state => 'TRANSACTION.SUCCESS', p_detail => 'words') from generate_series(1, 3);
select results_eq($$ select format('%s %s %s %s', number, verdict, count, state) from orderbell.callbacks
		where notification_id in ('x1', 'x2') order by notification_id $$,
	array['LATE ignored 2 TRADE_CLOSED', ' sealed 3 TRANSACTION.SUCCESS'], 'what pays nothing is kept too');
select results_eq('select test.alerts()', array['order_alerts {"alert" : "payment_callback", "kind" : "sealed", "gateway" : "wechatpay"}'],
	'and what cannot be read is told, once');
select throws_ok($$ select orderbell.note_callback('wechatpay', 'x3', 'paid') $$, '22023', null, 'a callback that pays is not noted');
select throws_ok($$ select orderbell.note_callback('wechatpay', 'x3', null) $$, '22023');

-- flushed, whatever the session says
select test.open('lazy');
select test.try('lazy', 'set synchronous_commit = off', 'begin', $$ select orderbell.note_callback('wechatpay', 'x4', 'ignored')::text $$);
select is(test.value('lazy', $$ current_setting('synchronous_commit') $$), 'local', 'a note is flushed');
select test.try('lazy', 'commit', 'begin', $$ select verdict from orderbell.pay('NOWHERE', 1, 'wechatpay', 't9') $$);
select is(test.value('lazy', $$ current_setting('synchronous_commit') $$), 'local', 'and so is an exception');
select test.try('lazy', 'commit');

-- forgotten
update orderbell.payment_callback set first_at = first_at - interval '401 days' where number = :'n' and notification_id in ('n1', 'n2', 'n3');
select is(array[orderbell.prune_callbacks(p_batch => 2), orderbell.prune_callbacks(p_batch => 2), orderbell.prune_callbacks()],
	array[2, 1, 0]::bigint[], 'old ones are forgotten, so many at a time');
select is_empty(format('select 1 from orderbell.payment_callback where number = %L and first_at < now() - interval ''400 days''', :'n'),
	'and gone');

select test.close('ear'), test.close('lazy');
select * from finish();
