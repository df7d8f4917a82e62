-- Many events in one transaction: no deadlock, no quadratic time.
\unset ON_ERROR_ROLLBACK
select plan(17);

-- Two bulk updates of different orders of the same merchants, in opposite order.
create temporary table bulk as select test.merchant() as id from generate_series(1, 40);
create function test.orders_of(p_merchants bigint[]) returns bigint[] language sql as
	$$ select array_agg(test.order(m) order by n) from unnest(p_merchants) with ordinality t(m, n) $$;
create procedure test.pay_in_order(p_orders bigint[]) language plpgsql as $$
declare
	v_id bigint;
begin
	foreach v_id in array p_orders loop
		update orderbell.orders set pay_status = 1 where id = v_id;
		if v_id % 10 = 0 then
			perform pg_sleep(0);
		end if;
	end loop;
end $$;
create procedure test.rounds(p_merchants bigint[], p_rounds int) language plpgsql as $$
begin
	for i in 1 .. p_rounds loop
		call test.pay_in_order(test.orders_of(p_merchants));
		commit;
	end loop;
end $$;
select test.open('up'), test.open('down');
select test.start('up', format('call test.rounds(%L, 40)', (select array_agg(id order by id) from bulk)));
select test.start('down', format('call test.rounds(%L, 40)', (select array_agg(id order by id desc) from bulk)));
select is(test.finish('up'), 'done', 'bulks of the same merchants in opposite order: the one does not fail');
select is(test.finish('down'), 'done', 'nor does the other');
select is((select array_agg(distinct test.stream(id)) from bulk), array['whole 80'], 'all events are numbered');

-- The same held together: both have written all before either commits.
select array_agg(id order by id)::text as ids, array_agg(id order by id desc)::text as back from bulk \gset
select test.try('up', 'begin', format('call test.pay_in_order(test.orders_of(%L))', :'ids'));
select test.try('down', 'begin', format('call test.pay_in_order(test.orders_of(%L))', :'back'));
select test.start('up', 'commit'), test.start('down', 'commit');
select is(test.finish('up') || test.finish('down'), 'donedone', 'committed at the same moment they do not fail either');

-- 50,000 events.  The bound is generous: quadratic work takes minutes.
create function test.ms(p_since timestamptz) returns numeric language sql as
	$$ select round(extract(epoch from clock_timestamp() - p_since) * 1000) $$;
create temporary table many as select test.merchant() as id from generate_series(1, 5);
select array_agg(id)::text as ids from many \gset
begin;
insert into orderbell.orders (number, amount, merchant_id, pay_status)
select 'M' || g, 1, (:'ids'::bigint[])[1 + g % 5], 1 from generate_series(1, 50000) g;
select clock_timestamp() as started \gset
commit;
select test.ms(:'started') as took_ms \gset
select cmp_ok(:took_ms::numeric, '<', 60000::numeric, '50,000 events commit within seconds');
select is((select array_agg(distinct test.stream(id)) from many), array['whole 10000'], 'all with their seqs');
select ok((select bool_and(id > before) from (
		select id, lag(id) over (partition by merchant_id order by seq) as before
		from orderbell.order_event where merchant_id = any (:'ids')) e where before is not null),
	'in the order of their ids');

begin;
insert into orderbell.orders (number, amount, merchant_id, pay_status)
select 'D' || g, 1, (:'ids'::bigint[])[1 + g % 5], 1 from generate_series(1, 50000) g;
delete from orderbell.order_event where seq is null;
select clock_timestamp() as started \gset
commit;
select cmp_ok(test.ms(:'started'), '<', 60000::numeric, '50,000 events that were deleted again do, too');
select is((select array_agg(distinct test.stream(id)) from many), array['whole 10000'], 'and take no seq');

begin;
insert into orderbell.orders (number, amount, merchant_id, pay_status)
select 'H' || g, 1, (:'ids'::bigint[])[1 + g % 5], 1 from generate_series(1, 50000) g;
delete from orderbell.order_event where seq is null and id % 2 = 0;
select clock_timestamp() as started \gset
commit;
select cmp_ok(test.ms(:'started'), '<', 60000::numeric, 'and those of which every other one was deleted');
select is((select array_agg(distinct split_part(test.stream(id), ' ', 1)) from many), array['whole'],
	'with whole streams');

-- Many merchants, a few events each.
create temporary table each as select test.merchant() as id from generate_series(1, 2000);
begin;
insert into orderbell.orders (number, amount, merchant_id, pay_status)
select 'E' || e.id || '-' || g, 1, e.id, 1 from each e, generate_series(1, 10) g;
select clock_timestamp() as started \gset
commit;
-- Row by row they would take ten times as long as those 50,000.
select cmp_ok(test.ms(:'started'), '<', greatest(3 * :took_ms, 2000)::numeric, '20,000 events of 2,000 merchants commit within seconds');
select is((select array_agg(distinct test.stream(id)) from each), array['whole 10'], 'all with their seqs');

select clock_timestamp() as started \gset
begin;
set constraints all immediate;
insert into orderbell.orders (number, amount, merchant_id, pay_status)
select 'I' || g, 1, (:'ids'::bigint[])[1 + g % 5], 1 from generate_series(1, 5000) g;
commit;
select cmp_ok(test.ms(:'started'), '<', 60000::numeric, '5,000 events numbered one by one, too');

select clock_timestamp() as started \gset
update orderbell.orders set status = 3 where merchant_id = any (:'ids') and number like 'M%';
select cmp_ok(test.ms(:'started'), '<', 60000::numeric, '50,000 orders that move on ack their events within seconds');
select is((select count(*) from orderbell.order_event e join orderbell.orders o on o.id = e.order_id
		where o.number like 'M%' and e.acked_by is distinct from 'order'), 0::bigint, 'each its own');

-- Rows that others have in flight or left behind cost a payment nothing.
select is((select count(*) from orderbell.order_event where seq is null), 0::bigint, 'nothing is left without seq');
select test.close('up'), test.close('down');
select * from finish();
