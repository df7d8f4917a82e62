-- prune(), new_epoch() and wire_epoch(): what becomes of old events, and of seqs.
\unset ON_ERROR_ROLLBACK
select plan(45);
-- prune() is for all merchants: those of other tests must not be there.
delete from orderbell.order_event;
select test.merchant() as m, test.merchant() as n \gset
select test.open('a') as a_pid, test.open('b') as b_pid \gset
select test.listen('ear');
create function test.age(p_merchant bigint, p_seqs bigint[], p_by interval) returns void language sql as $$
	update orderbell.order_event set created_at = created_at - p_by, acked_at = acked_at - p_by
	where merchant_id = p_merchant and seq = any (p_seqs)
$$;
select test.paid(:m) from generate_series(1, 10);
select test.paid(:n) from generate_series(1, 2);
select orderbell.ack(:m, array[1, 2, 4, 5, 9], 'till');
select test.age(:m, array[1, 2, 3, 4, 6], '10 days');
select is(orderbell.prune('7 days', '30 days'), 3::bigint, 'prune() forgets what was acked long ago');
select is((select array_agg(seq order by seq) from orderbell.order_event where merchant_id = :m), array[3, 5, 6, 7, 8, 9, 10]::bigint[],
	'and nothing else: what was acked just now stays, and what was not');
select is((select (seq, kept_from)::text from orderbell.stream where merchant_id = :m), '(10,5)', 'the stream says from where on all is kept');
select is((select (seq, kept_from)::text from orderbell.stream where merchant_id = :n), '(2,1)', 'other streams are left alone');
select is(orderbell.prune('7 days', '30 days'), 0::bigint, 'again there is nothing to do');
select is(orderbell.prune('0', '30 days'), 2::bigint, 'with no time to keep all that is acked goes');
select is((select array_agg(seq order by seq) from orderbell.order_event where merchant_id = :m), array[3, 6, 7, 8, 10]::bigint[],
	'but what is not acked is never touched');
select is((select count(*) from orderbell.waiting where merchant_id = :m), 5::bigint, 'and waits');
select test.paid(:m);
select is((select max(seq) from orderbell.order_event where merchant_id = :m), 11::bigint, 'seqs go on');

select test.age(:m, array[3], '31 days');
select test.heard('ear');
select is(orderbell.prune('7 days', '30 days'), 1::bigint, 'what nobody acked for a month expires');
select is((select acked_by from orderbell.order_event where merchant_id = :m and seq = 3), 'expired', 'that is: is acked');
select is((select count(*) from test.heard('ear') h where h like 'order_alerts%expired%' or h like 'order_control%expired%'), 2::bigint,
	'with an alert, and word to the notifiers');
select test.age(:m, array[3], '8 days');
select is(orderbell.prune('7 days', '30 days'), 1::bigint, 'and is forgotten a week later');
select is((select kept_from from orderbell.stream where merchant_id = :m), 10::bigint, 'which takes nothing back');

select orderbell.ack(:m, array[6, 7, 8, 10, 11], 'till');
select is(orderbell.prune('0', p_batch => 2), 2::bigint, 'it does no more at a time than it is told');
select is(orderbell.prune('0', p_batch => 2) + orderbell.prune('0', p_batch => 2), 3::bigint, 'and the rest when called again');
select is((select (seq, kept_from)::text from orderbell.stream where merchant_id = :m), '(11,12)', 'an empty stream knows where it stands');
select test.try('a', 'begin', format('select test.paid(%s)', :m));
select is(orderbell.prune('0'), 0::bigint, 'an event that is not committed is nobody''s to forget');
select test.try('a', 'commit');
select is((select (count(*), max(seq))::text from orderbell.order_event where merchant_id = :m), '(1,12)', 'and gets its seq');

-- It looks at what is old, and a little more: not at the whole table.
select test.merchant() as l \gset
begin;
select orderbell.notify(:l, 9, repeat('x', 200)) from generate_series(1, 20000);
commit;
update orderbell.order_event set acked_at = created_at, acked_by = 'till' where merchant_id = :l;
vacuum analyze orderbell.order_event;
select cmp_ok(test.buffers_of('select orderbell.prune(''1 day'')'), '<', 300::bigint,
	'where nothing is old, prune() does not read all that is young');
update orderbell.order_event set acked_at = acked_at - interval '10 days', created_at = created_at - interval '10 days'
where merchant_id = :l and seq <= 3500;
select is(orderbell.prune('1 day', p_batch => 2000), 2000::bigint, 'it goes on from the oldest');
select is((select min(seq) from orderbell.order_event where merchant_id = :l), 2001::bigint, 'whose seqs come first');
select is(orderbell.prune('1 day', p_batch => 2000), 1500::bigint, 'to the last that is old');
delete from orderbell.order_event where merchant_id = :l;

-- What was noted of an event goes with it
select orderbell.ack(:m, array[12], 'till');
select test.paid(:m);
select array_agg(id order by seq)::text as ids from orderbell.order_event where merchant_id = :m \gset
select orderbell.tell_delivered(:'ids', '{now, now}', '{till, till}');
insert into orderbell.alert (kind, merchant_id, event_id, seq, terminals, detail)
select 'ignored', :m, id, seq, 1, 'x' from orderbell.order_event where merchant_id = :m;
select orderbell.prune('0');
select is((select format('%s %s', (select array_agg(event_id) from orderbell.delivery where event_id = any (:'ids')),
		(select array_agg(event_id) from orderbell.alert where merchant_id = :m))),
	(select format('%s %1$s', array_agg(id)) from orderbell.order_event where merchant_id = :m and seq = 13),
	'what was noted of an event goes with it, and of no other');

-- No un-acked event before its time, none with the call that lets it expire, and no cursor is confused
select test.merchant() as p \gset
select test.paid(:p) from generate_series(1, 4);
select orderbell.ack(:p, array[4], 'till');
select test.age(:p, array[1], '30 days - 1 second'), test.age(:p, array[2, 4], '30 days + 1 second'), test.age(:p, array[3], '1 year');
select is(orderbell.prune('0', '30 days'), 3::bigint, 'before unacked_keep nothing un-acked is touched');
select is((select string_agg(seq || coalesce(' ' || acked_by, ''), ', ' order by seq) from orderbell.order_event where merchant_id = :p), '1, 2 expired, 3 expired',
	'and nothing goes in the same call in which it expires');
select is(orderbell.prune('0', '30 days'), 2::bigint, 'but in the next');
select is((select string_agg(seq::text, ' ') from orderbell.order_event where merchant_id = :p), '1', 'the young one stays');
select is(orderbell.prune('0', '100 years'), 0::bigint, 'as long as it is told to');
-- What a terminal with a cursor gets is whole, or it is told that it is not: that is what kept_from means.
create function test.cursors(p_merchant bigint) returns text language sql as $$
	select case when s.kept_from > s.seq + 1 then 'above the top'
		when exists (select from generate_series(s.kept_from, s.seq) g where not exists (
			select from orderbell.order_event e where e.merchant_id = s.merchant_id and e.seq = g)) then 'a hole'
		else 'whole' end
	from orderbell.stream s where s.merchant_id = p_merchant
$$;
create procedure test.prunes(p_merchants bigint[], p_rounds int, inout p_verdict text) language plpgsql as $$
declare
	v_unacked bigint[];
begin
	for i in 1 .. p_rounds loop
		perform test.paid(m) from unnest(p_merchants) m, generate_series(1, 1 + floor(random() * 4)::int);
		commit;
		update orderbell.order_event e set created_at = e.created_at - random() * interval '3 days', acked_at = e.acked_at - random() * interval '3 days'
		where e.merchant_id = any (p_merchants);
		perform orderbell.ack(m, array(select e.seq from orderbell.order_event e where e.merchant_id = m and random() < 0.2), 'till')
		from unnest(p_merchants) m;
		v_unacked := array(select e.id from orderbell.order_event e where e.merchant_id = any (p_merchants) and e.acked_at is null
			and e.created_at > clock_timestamp() - interval '10 days');
		perform orderbell.prune('1 day', '10 days', 1 + floor(random() * 6)::int);
		select string_agg(distinct test.cursors(m), ', ') into p_verdict from unnest(p_merchants) m;
		if p_verdict <> 'whole' then
			return;
		end if;
		if (select count(*) from orderbell.order_event e where e.id = any (v_unacked) and e.acked_at is null) <> cardinality(v_unacked) then
			p_verdict := 'an un-acked event is gone';
			return;
		end if;
		commit;
	end loop;
end $$;
select test.merchant() as x, test.merchant() as y, test.merchant() as z \gset
create table test.verdict (v text);
create procedure test.judge(p_merchants bigint[], p_rounds int) language plpgsql as $$
declare
	v_verdict text;
begin
	call test.prunes(p_merchants, p_rounds, v_verdict);
	insert into test.verdict values (v_verdict);
end $$;
call test.judge(array[:x, :y, :z], 60);
select is((select v from test.verdict), 'whole', '60 rounds of payments, acks and prune(): from kept_from on every event is there, and every young un-acked one');
select ok((select bool_and(kept_from > 1) from orderbell.stream where merchant_id in (:x, :y, :z)), '(and it did forget some)');
-- The same while others pay and prune
truncate test.verdict;
select test.open('c') as c_pid \gset
select test.start('a', format('call test.judge(array[%s], 60)', :x)), test.start('b', format('call test.judge(array[%s], 60)', :y));
select test.start('c', 'do $d$ begin for i in 1 .. 100 loop perform orderbell.prune(''1 day'', ''10 days'', 5); commit; end loop; end $d$');
select is(test.finish('a') || test.finish('b') || test.finish('c'), 'donedonedone', 'several at the same time do not fail');
select is((select string_agg(distinct v, ', ') from test.verdict), 'whole', 'nor confuse anything');
select test.close('c');
-- A page of a replay is read in one statement: it sees prune() as a whole, or not at all.
select test.merchant() as r \gset
select test.paid(:r) from generate_series(1, 3);
select orderbell.ack(:r, array[1, 2], 'till');
select test.try('a', 'begin', 'select orderbell.prune(''0'')');
select is(test.cursors(:r), 'whole', 'who reads meanwhile sees all as it was');
select test.try('a', 'commit');
select is((select kept_from::text || ' ' || test.cursors(:r) from orderbell.stream where merchant_id = :r), '3 whole', 'and afterwards all as it is');
-- A payment repeated after its event was forgotten
select test.order(:r) as o \gset
select orderbell.pay(number, 38.00, 'webhook', 'tx-old') from orderbell.orders where id = :o;
select orderbell.ack(:r, array[4], 'till');
select orderbell.prune('0');
select is((select count(*) from orderbell.order_event where order_id = :o), 0::bigint, 'an event is forgotten');
select is((select (verdict, event_id)::text from orderbell.orders, orderbell.pay(number, 38.00, 'webhook', 'tx-old') where id = :o), '(already_paid,)',
	'a callback that comes again after that');
update orderbell.orders set pay_status = 1, remark = 'again' where id = :o;
select is((select count(*) from orderbell.order_event where order_id = :o), 0::bigint, 'makes no second one, nor does an update');
-- A merchant that is made again knows that not all is kept
delete from orderbell.merchant where id = :r;
insert into orderbell.merchant (id, name) values (:r, 'again');
select is((select seq || ' ' || kept_from from orderbell.stream where merchant_id = :r), '3 4', 'a merchant that is made again vouches for no older event');
select is(test.cursors(:r), 'whole', 'and confuses no cursor');
delete from orderbell.order_event where merchant_id in (:p, :x, :y, :z, :r);

-- Epochs
select epoch from orderbell.stream where merchant_id = :m \gset
select is(orderbell.wire_epoch(:'epoch'), :'epoch' || '-1', 'the epoch on the wire is the stream''s and the timeline');
select test.heard('ear');
select is(orderbell.new_epoch(:m), 1::bigint, 'new_epoch() changes one stream');
select ok((select epoch <> :'epoch' and epoch ~ '^[0-9a-f]{8}$' and seq = 13 from orderbell.stream where merchant_id = :m), 'its epoch, not its seq');
select is((select count(*) from test.heard('ear') h where h like format('order_control%%"merchant" : %s}', :m)), 1::bigint, 'and tells the notifiers');
update orderbell.stream set seq = 0 where merchant_id in (:m, :n);
select orderbell.new_epoch();
select is((select array_agg(seq order by merchant_id) from orderbell.stream where merchant_id in (:m, :n)), array[13, 2]::bigint[],
	'streams that were restored from too long ago are taken up to their events');
select test.close('a'), test.close('b'), test.close('ear');
select * from finish();
