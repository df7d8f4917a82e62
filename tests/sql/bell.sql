-- The bell: once per merchant and transaction, after the commit, or not at all.
\unset ON_ERROR_ROLLBACK
select plan(24);
select test.listen('ear');
select test.open('a') as a_pid \gset
select test.merchant() as m, test.merchant() as n \gset

select test.try('a', 'begin', format('select test.paid(%s)', :m));
select is_empty($$ select test.heard('ear') $$, 'nothing rings before the commit');
select test.try('a', 'commit');
select results_eq($$ select test.heard('ear') $$,
	array[format('order_events {"merchant":%s,"seq":1}', :m)], 'the bell names the merchant and the seq');

select test.try('a', 'begin', format('select test.paid(%s)', :m), 'rollback');
select is_empty($$ select test.heard('ear') $$, 'what is rolled back does not ring');

select test.try('a', 'begin', format('select test.paid(m) from unnest(array[%s, %s, %1$s, %1$s]) m', :n, :m), 'commit');
select bag_eq($$ select test.heard('ear') $$, array[format('order_events {"merchant":%s,"seq":2}', :m),
	format('order_events {"merchant":%s,"seq":3}', :n)], 'it rings once per merchant, with the last seq');

select test.try('a', 'begin', format('select test.paid(%s)', :m), 'savepoint s',
	format('select test.paid(%s)', :n), 'rollback to s', 'commit');
select results_eq($$ select test.heard('ear') $$, array[format('order_events {"merchant":%s,"seq":3}', :m)],
	'a savepoint that is rolled back does not ring');

-- later
select test.try('a', 'begin', 'set local orderbell.bell = later', format('select test.paid(%s)', :m), 'commit');
select is_empty($$ select test.heard('ear') $$, 'orderbell.bell = later: nothing rings');
select is(test.stream(:m), 'whole 4', 'but the event is there');
select test.try('a', format('select orderbell.ring(%s)', :m));
select results_eq($$ select test.heard('ear') $$, array[format('order_events {"merchant":%s}', :m)],
	'until ring() is called');
select is(test.value('a', $$ current_setting('orderbell.bell', true) $$), '', 'the setting ends with its transaction');
select is(test.value('a', 'current_setting(''synchronous_commit'')'), 'on', 'ring() leaves synchronous_commit as it was');
select test.order(:m) as o \gset
select test.try('a', format('select orderbell.pay(number, 38.00, p_bell => ''later'') from orderbell.orders where id = %s', :o));
select is_empty($$ select test.heard('ear') $$, 'pay() with bell later does not ring');
select test.try('a', format('select test.paid(%s)', :m));
select results_eq($$ select test.heard('ear') $$, array[format('order_events {"merchant":%s,"seq":6}', :m)],
	'and the next transaction of the session rings again');
select test.try('a', format('select orderbell.remind(%s, p_bell => ''later'')', :o));
select is_empty($$ select test.heard('ear') $$, 'remind() with bell later does not ring either');

-- quiet
select test.merchant() as q \gset
select test.try('a', 'begin', 'set local orderbell.quiet = on', format('select test.paid(%s)', :q),
	format('select orderbell.notify(%s, 9, ''old news'')', :q),
	format('select orderbell.notify(%s, 9, ''older news'')', :q), 'commit');
select is_empty($$ select test.heard('ear') $$, 'orderbell.quiet = on: nothing rings');
select is((select count(*) from orderbell.order_event where merchant_id = :q and order_id is not null), 0::bigint,
	'orders that are imported make no events');
select is(test.stream(:q), 'whole 2', 'what is written all the same has its seqs');
select is((select array_agg(distinct acked_by) from orderbell.order_event where merchant_id = :q),
	array['quiet'], 'and is acked already, so that it rings at no terminal');
select test.try('a', 'begin', 'set local orderbell.quiet = on',
	format('select orderbell.notify(%s, 9, ''one'')', :q), 'commit');
select is((select acked_by || seq from orderbell.order_event where merchant_id = :q and content = 'one'), 'quiet3',
	'the same goes for a single one');
select test.try('a', format('select test.paid(%s)', :q));
select results_eq($$ select test.heard('ear') $$, array[format('order_events {"merchant":%s,"seq":4}', :q)],
	'after the import it rings');
select is((select count(*) from orderbell.waiting where merchant_id = :q), 1::bigint, 'and waits to be acked');

-- synchronous_commit
select test.try('a', 'set synchronous_commit = off');
-- Somebody else may flush just then, but not each time.
create function test.is_left_unflushed(p_merchant bigint) returns boolean language plpgsql as $$
declare
	v_lsn pg_lsn;
begin
	for i in 1 .. 20 loop
		perform test.try('a', 'begin', format('select test.order(%s)', p_merchant));
		v_lsn := test.value('a', 'pg_current_wal_insert_lsn()');
		perform test.try('a', 'commit');
		if pg_current_wal_flush_lsn() <= v_lsn then
			return true;
		end if;
	end loop;
	return false;
end $$;
select ok(test.is_left_unflushed(:m), 'with synchronous_commit off an order that is only placed is not flushed');
select test.try('a', 'begin', format('select test.paid(%s)', :m));
select test.value('a', 'pg_current_wal_insert_lsn()') as lsn \gset
select test.try('a', 'commit');
select ok(pg_current_wal_flush_lsn() > :'lsn', 'but a payment is flushed');
select is(test.value('a', 'current_setting(''synchronous_commit'')'), 'off', 'and the session goes on as it wants');
select test.try('a', 'begin', 'set local synchronous_commit = remote_apply',
	format('select test.paid(%s)', :m), 'set constraints all immediate');
select is(test.value('a', 'current_setting(''synchronous_commit'')'), 'remote_apply', 'a stricter setting is left alone');
select test.try('a', 'rollback');

select test.close('a'), test.close('ear');
select * from finish();
