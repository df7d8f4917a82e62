-- Seqs: given at commit, without holes, in commit order.
\unset ON_ERROR_ROLLBACK
select plan(21);
select test.merchant() as m \gset
select test.open('a') as a_pid, test.open('b') as b_pid \gset

begin;
select test.paid(:m) as o \gset
select is((select seq from orderbell.order_event where order_id = :o), null,
	'an event has no seq while its transaction is open');
commit;
select is((select seq from orderbell.order_event where order_id = :o), 1::bigint, 'it has one after the commit');
select is(test.stream(:m), 'whole 1', 'and the stream says so');

-- Commit order, not the order of writing.
select test.merchant() as m \gset
select is(test.try('a', 'begin', format('select test.paid(%s)', :m)), 'done', 'a payment is left open');
select is(test.try('b', 'begin', format('select test.paid(%s)', :m), 'commit'), 'done',
	'another one of the merchant commits meanwhile');
select is((select seq from orderbell.order_event where merchant_id = :m), 1::bigint, 'and is the first');
select test.try('a', 'commit');
select is((select array_agg(seq order by id) from orderbell.order_event where merchant_id = :m),
	array[2, 1]::bigint[], 'the one that was written first and committed last is the second');
select ok((select bool_and(created_at > before) from (
		select created_at, lag(created_at) over (order by seq) as before
		from orderbell.order_event where merchant_id = :m) e where before is not null),
	'and so say their times');

select test.merchant() as m \gset
select test.try('a', 'begin', format('select test.paid(%s)', :m), 'rollback');
select test.try('a', format('select test.paid(%s)', :m));
select is(test.stream(:m), 'whole 1', 'a transaction that is rolled back takes no seq');

select test.merchant() as m \gset
begin;
select test.paid(:m), test.paid(:m) as o, test.paid(:m) \gset
delete from orderbell.order_event where order_id = :o;
commit;
select is(test.stream(:m), 'whole 2', 'an event deleted before the commit takes no seq');

select test.merchant() as m \gset
begin;
select test.paid(:m);
savepoint s;
select test.paid(:m), test.paid(:m);
rollback to s;
savepoint t;
select test.paid(:m);
release t;
commit;
select is(test.stream(:m), 'whole 2', 'nor do those of a savepoint that is rolled back');

select test.merchant() as m \gset
begin;
set constraints all immediate;
select test.paid(:m);
savepoint s;
select test.paid(:m), test.paid(:m);
rollback to s;
select test.paid(:m), test.paid(:m), test.paid(:m);
set constraints all deferred;
select test.paid(:m), test.paid(:m);
commit;
select is(test.stream(:m), 'whole 6', 'also where they had been numbered at once');

select test.merchant() as m \gset
begin;
select test.paid(:m), test.paid(:m);
savepoint s;
set constraints all immediate;
rollback to s;
commit;
select is(test.stream(:m), 'whole 2', 'and where what had been written before it was numbered within it');
select test.merchant() as m \gset
begin;
select test.paid(:m);
savepoint s;
set constraints all immediate;
select test.paid(:m);
rollback to s;
select test.paid(:m);
commit;
select is(test.stream(:m), 'whole 2', 'one or many');

-- A shop's own deferred trigger that pays another order at commit.
select test.merchant() as m \gset
create table test.shop (id int);
create function test.pays_more() returns trigger language plpgsql as
	$$ begin perform test.paid(tg_argv[0]::bigint); return null; end $$;
select format('create constraint trigger pays_more after insert on test.shop deferrable initially deferred
	for each row execute function test.pays_more(%s)', :m) \gexec
begin;
select test.paid(:m);
insert into test.shop values (1), (2);
select test.paid(:m);
commit;
select is(test.stream(:m), 'whole 4', 'events that are written while the transaction commits are numbered too');

select test.merchant() as m \gset
select test.try('a', 'begin', format('update orderbell.merchant set name = %L where id = %s', 'other', :m));
select is(test.try('b', 'set lock_timeout = 500', format('select test.paid(%s)', :m)), 'done',
	'editing a merchant blocks no payment');
select test.try('a', 'rollback');

-- The storm: many writers, open for a while or not, rolled back or not, with savepoints or not.
create table test.written (merchant_id bigint);
create procedure test.write(p_merchants bigint[], p_transactions int) language plpgsql as $$
declare
	v_merchant_id bigint;
begin
	for i in 1 .. p_transactions loop
		for j in 1 .. 1 + floor(random() * 4) loop
			v_merchant_id := p_merchants[1 + floor(random() * cardinality(p_merchants))];
			begin
				perform test.paid(v_merchant_id);
				insert into test.written values (v_merchant_id);
				if random() < 0.2 then
					raise sqlstate 'TEST1';
				end if;
			exception when sqlstate 'TEST1' then
			end;
			if random() < 0.2 then
				perform pg_sleep(random() * 0.01);
			end if;
		end loop;
		if random() < 0.2 then
			rollback;
		else
			commit;
		end if;
	end loop;
end $$;

-- Looks at all streams in one snapshot, again and again while the writers run: a hole that closes
-- later would be seen here.  Gives how often it looked, or -1.
create function test.watch(p_merchants bigint[], p_writers text[]) returns int
language plpgsql as $$
declare
	v_looks int := 0;
begin
	loop
		if exists (select from orderbell.order_event e where e.merchant_id = any (p_merchants)
				group by e.merchant_id
				having max(e.seq) <> count(*) or min(e.seq) <> 1 or count(e.seq) <> count(*)) then
			return -1;
		end if;
		v_looks := v_looks + 1;
		exit when not exists (select from unnest(p_writers) w where dblink_is_busy(w) = 1);
	end loop;
	return v_looks;
end $$;

create temporary table busy as select test.merchant() as id from generate_series(1, 4);
create temporary table writer as select 'w' || g as name, test.open('w' || g) from generate_series(1, 12) g;
select count(test.start(name, format('call test.write(%L, 60)', (select array_agg(id) from busy))))
from writer;
select cmp_ok(test.watch((select array_agg(id) from busy), (select array_agg(name) from writer)),
	'>', 0, 'at no moment does a snapshot show a hole');
select is((select array_agg(distinct test.finish(name)) from writer), array['done'], 'no writer fails');
select is((select array_agg(distinct split_part(test.stream(id), ' ', 1)) from busy), array['whole'],
	'in the end all streams are whole');
select results_eq(
	'select merchant_id, count(*) from orderbell.order_event
		where merchant_id in (select id from busy) group by 1 order by 1',
	'select merchant_id, count(*) from test.written group by 1 order by 1',
	'and have the events that were committed, no more and no less');
select ok((select bool_and(created_at >= before) from (
		select created_at, lag(created_at) over (partition by merchant_id order by seq) as before
		from orderbell.order_event where merchant_id in (select id from busy)) e where before is not null),
	'whose times are in the order of their seqs');
select count(test.close(name)) from writer;

select * from finish();
