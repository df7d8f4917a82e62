-- The limits of "never a hole": each is an error, or found and mended, and never a hole.
\unset ON_ERROR_ROLLBACK
select plan(38);
select test.merchant() as m \gset
select test.open('a') as a_pid, test.open('b') as b_pid \gset

-- REPEATABLE READ and SERIALIZABLE writers
select is(test.try('a', 'begin isolation level repeatable read', format('select test.paid(%s)', :m)), 'done',
	'a REPEATABLE READ writer has written');
select test.try('b', format('select test.paid(%s)', :m));
select is(test.try('a', 'commit'), '40001', 'it gets 40001 at commit when another one was faster');
select is(test.stream(:m), 'whole 1', 'and leaves no hole');
select is(test.try('a', 'begin isolation level repeatable read', format('select test.paid(%s)', :m), 'commit'),
	'done', 'its second try goes through');
select test.try('a', 'begin isolation level serializable', format('select test.paid(%s)', :m));
select test.try('b', format('select test.paid(%s)', :m));
select is(test.try('a', 'commit'), '40001', 'so does a SERIALIZABLE one');
select is(test.try('a', 'begin isolation level serializable', format('select test.paid(%s)', :m), 'commit'),
	'done', 'whose second try goes through');
select is(test.stream(:m), 'whole 4', 'no hole');

-- PREPARE TRANSACTION
create function test.prepares(variadic p_first text[]) returns text language plpgsql as $$
begin
	return test.try('a', variadic array['begin'] || p_first || array['prepare transaction ''p''']);
end $$;
create function test.prepares_as_one(p_first text) returns text language sql as
	$$ select test.try('a', 'begin; ' || p_first || '; /* '' */ prepare /**/ transaction ''p''') $$;
select format('select test.paid(%s)', :m) as pays, 'set local orderbell.bell = later' as later,
	format('select orderbell.notify(%s, 9, %L)', :m, 'x') as notifies,
	'set local orderbell.quiet = on' as quiet, 'set constraints all immediate' as at_once \gset
select is(test.prepares(:'pays'), '0A000', 'PREPARE TRANSACTION is refused');
select is(test.prepares(:'later', :'pays'), '0A000', 'with the bell later as well');
select is(test.prepares(:'quiet', :'notifies'), '0A000', 'and in a quiet import');
select is(test.prepares(:'pays', :'pays'), '0A000', 'and with many events');
select is(test.prepares(:'at_once', :'later', :'pays'), '0A000', 'and when they had been numbered at once');
select is(test.prepares(:'later', :'at_once', 'savepoint s', :'pays', 'release s'), '0A000', 'in a savepoint');
select is(test.prepares_as_one(:'pays'), '0A000', 'also hidden in a longer text');
select is(test.prepares_as_one(:'later' || ';' || :'pays'), '0A000', 'with the bell later');
select is(test.prepares_as_one(:'at_once' || ';' || :'later' || ';' || :'pays'), '0A000', 'and at once');
select is(test.try('a', 'begin', :'later', :'pays', 'commit'), 'done', 'the same session may commit afterwards');
select is(test.try('a', 'discard all', 'begin', :'later', :'pays', 'commit'), 'done', 'and after DISCARD ALL');
select is(test.prepares(:'later', :'pays'), '0A000', 'when PREPARE is refused again');
select is(test.prepares_as_one(:'later' || ';' || :'pays'), '0A000', 'in a longer text');
select is(test.prepares(:'at_once', :'later', :'pays'), '0A000', 'or at once');
select is((select count(*) from pg_prepared_xacts), 0::bigint, 'nothing was prepared');
select is(test.stream(:m), 'whole 6', 'and no seq was taken by it');
select test.try('a', 'begin', :'pays');
select throws_like($$ select dblink_exec('a', 'prepare transaction ''p''') $$,
	'%order events cannot be prepared%', 'the refusal says why');
select is(test.try('a', 'begin', format('select test.order(%s)', :m), 'prepare transaction ''p''',
	'rollback prepared ''p'''), 'done', 'orders that are not paid may be prepared');
select is(test.try('a', format('insert into orderbell.orders (number, amount, merchant_id, pay_status, remark)
	values (''R1'', 1, %s, 1, ''prepare transaction please'')', :m)), 'done',
	'an order whose text speaks of preparing is paid');

-- SET CONSTRAINTS ... IMMEDIATE only locks earlier
select test.merchant() as m \gset
select test.try('a', 'begin', 'set constraints all immediate', format('select test.paid(%s)', :m));
select test.start('b', format('select test.paid(%s)', :m));
select ok(test.until_it_waits(:b_pid), 'SET CONSTRAINTS IMMEDIATE: the merchant''s other payments wait');
select test.try('a', format('select test.paid(%s)', :m), 'commit');
select is(test.finish('b'), 'done', 'until it commits');
select is((select array_agg(seq order by id) from orderbell.order_event where merchant_id = :m),
	array[1, 3, 2]::bigint[], 'and are numbered behind it');

-- A lock timeout is the writer's error
select test.try('a', 'begin', 'set constraints all immediate', format('select test.paid(%s)', :m));
select is(test.try('b', 'set lock_timeout = 50', format('select test.paid(%s)', :m)), '55P03',
	'a lock timeout at commit fails the payment');
select test.try('a', 'rollback');
select test.try('b', 'reset lock_timeout');
select is(test.stream(:m), 'whole 3', 'as a whole');

-- READ ONLY after writing
select is(test.try('a', 'begin', format('select test.paid(%s)', :m), 'set transaction read only', 'commit'), '25006',
	'a transaction that was set READ ONLY after writing fails');
select is(test.stream(:m), 'whole 3', 'as a whole, too');

-- Rows written with triggers off
select test.try('a', 'begin', 'set local session_replication_role = replica',
	format('insert into orderbell.order_event (merchant_id, type, content)
		select %s, 1, ''stray '' || g from generate_series(1, 3) g', :m), 'commit');
select test.paid(:m);
select test.paid(:m) from generate_series(1, 3);
select is((select array_agg(seq order by id) from orderbell.order_event where merchant_id = :m and id >
		(select max(id) - 7 from orderbell.order_event where merchant_id = :m)),
	array[null, null, null, 4, 5, 6, 7]::bigint[], 'rows written with triggers off: no other commit picks them up');
select is((select is_ok from orderbell.doctor() where check_name = 'unnumbered events'), false, 'the doctor finds them');
select is(orderbell.renumber(), 3::bigint, 'renumber() numbers them');
select is(test.stream(:m), 'whole 10', 'behind what is there');
select is((select is_ok from orderbell.doctor() where check_name = 'unnumbered events'), true, 'and the doctor is content');

select test.close('a'), test.close('b');
select * from finish();
