-- attach(): a shop's own tables ring, whatever their shape.
\unset ON_ERROR_ROLLBACK
select plan(139);
delete from orderbell.order_event;
delete from orderbell.payment_exception;
create role test_owner login in role orderbell_dba;
create role test_php login;
create role test_alice login in role orderbell_dba;
grant create on schema public to test_owner;
select format('grant create on database %I to test_owner', current_database()) \gexec
select test.merchant() as m, test.merchant() as n \gset
insert into orderbell.merchant (id, name) values (1, 'the first') on conflict do nothing;
select test.open('owner', 'test_owner'), test.open('php', 'test_php') as php_pid, test.open('alice', 'test_alice'), test.open('a') as a_pid \gset
select test.listen('ear');
create function test.rang(p_table text) returns text language sql as $$
	select string_agg(type || ' ' || coalesce(order_id::text, '-') || ' ' || content, ', ' order by id) from orderbell.order_event where order_table = p_table
$$;
create function test.rang_at(p_merchant bigint) returns text language sql as $$
	select string_agg(type || ' ' || coalesce(order_id::text, '-') || ' ' || content || coalesce(' ' || acked_by, ''), ', ' order by seq)
	from orderbell.order_event where merchant_id = p_merchant
$$;
create function test.forget() returns void language plpgsql as $$
begin
	delete from orderbell.order_event;
	delete from orderbell.payment_exception;
end $$;

-- The worked examples, word for word
select test.try('owner', 'create table public.shop_order (id serial primary key, sn varchar(32) not null, shop_id int not null, total numeric(10, 2),
	is_paid boolean not null default false, state varchar(16) not null default ''new'', reminded_at timestamp, note text, dishes text)',
	'create table public.wc_orders (id bigint primary key, status varchar(20), currency varchar(10), total_amount numeric(26, 8), payload jsonb, line_items jsonb)',
	'grant select, insert, update on public.shop_order, public.wc_orders to test_php', 'grant usage on sequence shop_order_id_seq to test_php');
select test.try('php', format('insert into shop_order (sn, shop_id, total, is_paid) values (''old'', %s, 1, true)', :m));
set role test_owner;
\ir ../../examples/attach.sql
reset role;
select is(test.rang('public.shop_order'), null, 'what was paid before a table was attached does not ring');

-- PHP and PDO: a role without any right on ours, prepared statements, text parameters
select is(test.try('php', 'prepare made (text, text, text) as insert into shop_order (sn, shop_id, total, dishes) values ($1, $2::int, $3::numeric, E''面 x 2\n茶'')',
	format('execute made (''A1'', ''%s'', ''38.50'')', :m), format('execute made (''A2'', ''%s'', ''5'')', :m)), 'done', 'a PHP shop makes orders');
select is(test.rang('public.shop_order'), null, 'which ring when they are paid');
select is(test.try('php', 'prepare paid (text) as update shop_order set is_paid = true where sn = $1', 'execute paid (''A1'')'), 'done', 'one is paid');
select is(test.rang_at(:m), '1 2 订单号:A1 共38.50元', 'and rings at its merchant, with its id and text');
select is((select details from orderbell.order_event), '{"amount": "38.50", "items": [{"name": "面 x 2"}, {"name": "茶"}]}', 'amount and dishes');
select is((select array_agg(h) from test.heard('ear') h), array[format('order_events {"merchant":%s,"seq":1}', :m)], 'the bell rings as for any other');
select is((select (seq, order_table)::text from orderbell.order_event where merchant_id = :m), '(1,public.shop_order)', 'with its seq');
select test.try('php', 'execute paid (''A1'')', 'update shop_order set note = ''x'' where sn = ''A1''');
select is((select count(*) from orderbell.order_event), 1::bigint, 'once');
select is(test.try('php', 'begin', 'execute paid (''A2'')', 'rollback'), 'done', 'a payment that is rolled back');
select is((select count(*) from orderbell.order_event), 1::bigint, 'does not ring');
select is(test.try('php', 'prepare moved (text, text) as update shop_order set state = $1 where id = $2::int', 'execute moved (''cooking'', ''2'')'), 'done',
	'the merchant takes it');
select is(test.rang_at(:m), '1 2 订单号:A1 共38.50元 order', 'which acks it');
select ok(exists (select from test.heard('ear') h where h like 'order_control%' and h like '%order%'), 'and is told');
select is(test.try('php', 'prepare reminds (text) as update shop_order set reminded_at = now() where id = $1::int', 'execute reminds (''2'')'), 'done', 'the customer reminds');
select is(test.rang_at(:m), '1 2 订单号:A1 共38.50元 order, 2 2 催单:A1', 'which rings');
select test.try('php', 'execute reminds (''2'')', 'execute reminds (''2'')');
select is((select count(*) from orderbell.order_event where type = 2), 1::bigint, 'once a minute');
update orderbell.order_event set created_at = created_at - interval '61 seconds';
select test.try('php', 'begin', 'execute reminds (''2'')');
select test.try('a', 'set statement_timeout = ''60s''');
select test.start('a', 'update public.shop_order set reminded_at = clock_timestamp() where id = 2');
select test.until_it_waits(:a_pid), test.try('php', 'commit');
select is(test.finish('a'), 'done', 'two reminders at the same time');
select is((select count(*) from orderbell.order_event where type = 2), 2::bigint, 'are one');
select test.try('php', 'execute reminds (''3'')', 'update shop_order set reminded_at = null where id = 2');
select is((select count(*) from orderbell.order_event where type = 2), 2::bigint, 'an order that is not paid is not reminded of, nor by taking it back');
select is(test.try('php', 'update shop_order set is_paid = true, state = ''cooking'' where sn = ''A2'''), 'done', 'one that is paid and taken by one statement');
select is((select acked_by from orderbell.order_event where order_id = 3), null, 'rings');
select is(test.try('php', format('insert into shop_order (sn, shop_id, is_paid) values (''A4'', %s, true), (''A5'', %s, false), (''A6'', %2$s, true)', :m, :n)), 'done', 'orders that are made paid');
select is(test.rang_at(:n), '1 6 订单号:A6 共元', 'ring, each at its own merchant; a null is nothing');
select is(test.try('php', 'select 1 from orderbell.order_event'), '42501', 'all the while the shop''s role reads nothing of ours');
select is(test.try('php', 'set search_path = pg_temp, public', 'create temporary table template (content text)', 'create temporary table order_event (id int)',
	'set datestyle = german', 'set standard_conforming_strings = off', 'update public.shop_order set is_paid = true where sn = ''A5'''), 'done', 'whatever its session is set to');
select is((select content from orderbell.order_event where order_id = 5), '订单号:A5 共元', 'the event is as it should be');
select test.try('php', 'begin', 'set local orderbell.quiet = on', format('insert into shop_order (sn, shop_id, is_paid) values (''Q'', %s, true)', :m), 'commit');
select is((select count(*) from orderbell.order_event where content like '%Q%'), 0::bigint, 'orderbell.quiet = on: nothing rings');
select test.try('php', 'begin', 'set local check_function_bodies = off', 'set local row_security = off',
	format('insert into shop_order (sn, shop_id, is_paid) values (''D'', %s, true)', :m), 'commit');
select is((select count(*) from orderbell.order_event where content like '%:D %'), 0::bigint, 'nor does a row that a dump brings back');
select test.try('php', 'begin', 'set local orderbell.bell = later', format('insert into shop_order (sn, shop_id, is_paid) values (''L'', %s, true)', :m), 'commit');
select is((select seq is not null from orderbell.order_event where content like '%:L %'), true, 'orderbell.bell = later holds, too');

-- WooCommerce's words
select test.forget(), test.heard('ear');
select is(test.try('php', 'insert into public.wc_orders values (7, ''wc-pending'', ''EUR'', 12.5, ''{"a": "b"}'', ''[{"name": "Soup", "quantity": 2}]''), (8, ''wc-on-hold'', ''EUR'', 1, null, null), (9, null, ''EUR'', 1, null, null)'), 'done', 'orders by status word');
select is(test.rang_at(1), null, 'wait for their payment');
select test.try('php', 'update public.wc_orders set status = ''wc-on-hold'' where id = 7', 'update public.wc_orders set status = ''wc-processing'' where id = 7');
select is(test.rang_at(1), '1 7 Order #7: 12.50000000 EUR', 'which rings');
select is((select details from orderbell.order_event), '{"items": [{"name": "Soup", "quantity": 2}], "amount": "12.50", "currency": "EUR"}', 'with amount, currency and items');
select test.try('php', 'update public.wc_orders set status = ''wc-completed'' where id = 7');
select is(test.rang_at(1), '1 7 Order #7: 12.50000000 EUR order', 'from one word for paid to the other it moves on');
select test.try('php', 'update public.wc_orders set status = ''wc-refunded'' where id = 7', 'update public.wc_orders set status = ''wc-processing'' where id in (8, 9)');
select is(test.rang_at(1), '1 7 Order #7: 12.50000000 EUR order, 1 8 Order #8: 1.00000000 EUR, 1 9 Order #9: 1.00000000 EUR', 'null was not paid');
select test.try('php', 'update public.wc_orders set status = ''wc-cancelled'' where id = 8');
select is((select acked_by from orderbell.order_event where order_id = 8), 'order', 'a cancelled one is acked');
select test.try('php', 'insert into public.wc_orders values (10, ''wc-completed'', ''EUR'', 1, null)');
select is((select acked_by from orderbell.order_event where order_id = 10), null, 'one that is made paid and done is news');

-- Orders of different tables with the same id are different orders
select test.forget();
insert into orderbell.orders (number, amount, merchant_id, pay_status, status) values ('SAME', 1, 1, 1, 2) returning id as same \gset
select test.try('php', format('insert into public.wc_orders values (%s, ''wc-processing'', ''EUR'', 1, null)', 100000 + :same),
	format('update public.wc_orders set id = %s where id = %s', :same, 100000 + :same));
update orderbell.order_event set order_id = :same where order_table = 'public.wc_orders';
update orderbell.orders set status = 3 where id = :same;
select is((select string_agg(coalesce(order_table, 'ours') || coalesce(' ' || acked_by, ''), ', ' order by id) from orderbell.order_event), 'ours order, public.wc_orders',
	'an order of ours that moves on acks no event of another table with its id');
update orderbell.order_event set acked_at = null, acked_by = null;
select test.try('php', format('update public.wc_orders set status = ''wc-cancelled'' where id = %s', :same));
select is((select string_agg(coalesce(order_table, 'ours') || coalesce(' ' || acked_by, ''), ', ' order by id) from orderbell.order_event), 'ours, public.wc_orders order',
	'nor the other way round');
insert into orderbell.order_event (merchant_id, type, order_id, content, order_table) values (1, 2, :same, 'x', 'public.wc_orders');
select is((select is_new from orderbell.remind(:same)), true, 'and a reminder there is none here');

-- Texts by merchant and language
select test.forget();
update orderbell.merchant set language = 'en-GB' where id = :n;
select test.try('php', format('insert into shop_order (sn, shop_id, total, is_paid) values (''E1'', %s, 2, true), (''C1'', %s, 2, true)', :n, :m));
select is(test.rang('public.shop_order'), format('1 %s Order E1, 2.00 CNY, 1 %s 订单号:C1 共2.00元', currval('shop_order_id_seq') - 1, currval('shop_order_id_seq')),
	'a merchant has the text of its language') from (select setval('shop_order_id_seq', (select max(id) from shop_order))) s;
create function test.text_of(p_merchant bigint, p_table text default 'public.shop_order') returns text language plpgsql as $$
begin
	delete from orderbell.order_event;
	if p_table = 'public.shop_order' then
		insert into public.shop_order (sn, shop_id, total, is_paid) values ('T', p_merchant, 2, true);
	else
		insert into public.wc_orders values ((select max(id) + 1 from public.wc_orders), 'wc-processing', 'EUR', 2, null);
	end if;
	return (select content from orderbell.order_event);
end $$;
insert into orderbell.template (content) values ('all {id}');
select ok(test.text_of(:m) ~ '^all [0-9]+$', 'one for all goes before the table''s own');
select is(test.text_of(:n), 'Order T, 2.00 CNY', 'one of the language before that');
insert into orderbell.template (language, content) values ('en', 'en {id}');
select is(test.text_of(:n), 'Order T, 2.00 CNY', 'one for the table before one for any');
insert into orderbell.template (language, content) values ('en-gb', 'en-GB {sn}');
select is(test.text_of(:n), 'en-GB T', 'the whole language before its beginning');
insert into orderbell.template (merchant_id, content) values (:n, 'mine {sn} {{really}} {{{total}}} } {');
select is(test.text_of(:n), 'mine T {really} {2.00} } {', 'a merchant''s own before all; braces may stand for themselves');
insert into orderbell.template (merchant_id, order_table, content) values (:n, 'public.wc_orders', 'other');
select is(test.text_of(:n), 'mine T {really} {2.00} } {', 'one for another table is not for this one');
update orderbell.merchant set language = 'eng' where id = :n;
delete from orderbell.template where merchant_id = :n;
select ok(test.text_of(:n) ~ '^all [0-9]+$', 'eng is not en');
select throws_ok($$ insert into orderbell.template (content) values ('all {id}') $$, '23505', null, 'for one purpose there is one');
select throws_ok($$ insert into orderbell.template (type, content) values (3, 'x') $$, '23514', null, 'types of the shop''s own have no template');
select throws_ok($$ insert into orderbell.template (language, content) values ('e n', 'x') $$, '23514', null, 'a language is one');
select throws_ok($$ insert into orderbell.template (language, content) values ('de', '') $$, '23514', null, 'a text is not empty');
select throws_ok(format('update orderbell.merchant set language = %L where id = %s', '%', :n), '23514', null, 'nor does a merchant speak just anything');

insert into orderbell.template (merchant_id, type, content) select m, 2, 'x' from (select test.merchant() as m from generate_series(1, 20000)) g;
create function test.template_for(p_merchant bigint) returns text language plpgsql security definer as
	$$ begin return (select t.content from orderbell.template_for(2, 'public.shop_order', p_merchant) t); end $$;
select count(test.template_for(:m)) from generate_series(1, 6);
select cmp_ok(test.buffers_of(format('select test.template_for(%s)', :m)), '<', 50::bigint, 'of thousands of texts only those that may fit are read');

-- What does not fit rings all the same
update orderbell.template set content = 'all {nothing}' where language is null and merchant_id is null;
select ok(test.text_of(:m) ~ '^订单号:[0-9]+$', 'a text that names a column that is not there: the plainest one rings');
select is((select kind || ' ' || merchant_id || ' ' || gateway || ' ' || detail from orderbell.payment_exception), format('bad_template %s public.shop_order ', :m)
	|| 'public.shop_order does not have all columns of ''all {nothing}''', 'and a person is told');
select test.text_of(:m), test.text_of(:m);
select is((select count(*) from orderbell.payment_exception), 1::bigint, 'once');
delete from orderbell.template;
select test.text_of(:m);
delete from orderbell.payment_exception;
select is(test.try('php', 'insert into shop_order (sn, shop_id, is_paid) values (''X1'', 999999, true)'), 'done', 'a merchant that does not exist does not fail the statement');
select is((select kind || ' ' || merchant_id || ' ' || detail from orderbell.payment_exception), 'unknown_merchant 999999 订单号:X1 共元', 'it is an exception');
select test.forget(), test.try('php', 'insert into shop_order (sn, shop_id, is_paid) values (''X2'', -5, true)');
select is((select kind || ' ' || gateway || ' ' || detail from orderbell.payment_exception), 'unknown_merchant public.shop_order column shop_id says ''-5''', 'so is a number that none can have');
select test.forget();
select is(test.try('owner', 'alter table public.shop_order rename column total to sum'), 'done', 'a column that a text names is renamed');
select is(test.try('php', format('insert into shop_order (sn, shop_id, is_paid) values (''X3'', %s, true)', :m)), 'done', 'orders are paid');
select is(test.rang_at(:m) || (select kind from orderbell.payment_exception), (select format('1 %s 订单号:%1$sbad_template', max(id)) from shop_order), 'ring, and a person is told');
select test.forget();
select is(test.try('owner', 'alter table public.shop_order rename column shop_id to shop'), 'done', 'the merchant''s column is renamed');
select is(test.try('php', format('insert into shop_order (sn, shop, is_paid) values (''X4'', %s, true)', :m)), 'done', 'orders are paid');
select is((select kind || ' ' || detail from orderbell.payment_exception), 'unknown_merchant column shop_id says NULL', 'and a person is told');
select is(test.try('owner', 'alter table public.shop_order drop column is_paid'), '2BP01', 'the column of the payment cannot be dropped');
select test.try('owner', 'alter table public.shop_order rename column shop to shop_id', 'alter table public.shop_order rename column sum to total');
select test.forget();
select is(test.try('php', format('insert into shop_order (sn, shop_id, note, is_paid) values (''X5'', %s, repeat(''x'', 1000000), true)', :m)), 'done', 'an order with a huge column');
insert into orderbell.template (content) values ('{note}');
select is(test.try('php', format('insert into shop_order (sn, shop_id, note, is_paid) values (''X6'', %s, repeat(''长'', 1000000), true)', :m)), 'done', 'that a text names');
select is((select max(octet_length(content)) from orderbell.order_event), 24576, 'is cut to what a terminal takes');
delete from orderbell.template;
select test.forget(), test.try('a', 'begin', 'lock table orderbell.template in access exclusive mode');
select is(test.try('php', 'set lock_timeout = 200', format('insert into shop_order (sn, shop_id, is_paid) values (''X7'', %s, true)', :m)), 'done',
	'where the texts cannot be read for a lock, orders are paid');
select ok(test.rang_at(:m) ~ '^1 [0-9]+ 订单号:[0-9]+$', 'and ring');
select is((select kind || ' ' || detail from orderbell.payment_exception), 'bad_template canceling statement due to lock timeout', 'and a person is told');
select test.try('a', 'rollback'), test.try('php', 'reset lock_timeout');
select is(test.try('owner', 'alter table public.shop_order disable trigger orderbell_attached_paid'), 'done', 'a trigger that is off');
select is((select is_ok || ' ' || detail from orderbell.doctor() where check_name = 'attached tables'), 'false off: orderbell_attached_paid on public.shop_order', 'is what the doctor sees');
select test.try('owner', 'alter table public.shop_order enable trigger orderbell_attached_paid');
select is((select is_ok || ' ' || detail from orderbell.doctor() where check_name = 'attached tables'), 'true public.shop_order, public.wc_orders: see orderbell.attachments', 'or that is on');

-- A type of the shop's own does nothing in our name
select is(test.try('owner', 'create type public.evil as (a int)',
	'create function public.evil_text(public.evil) returns text language plpgsql as $f$ begin create table public.evil_was_here (); return ''evil''; end $f$',
	'create function public.evil_json(public.evil) returns json language plpgsql as $f$ begin create table public.evil_was_here (); return ''1''; end $f$',
	'create cast (public.evil as text) with function public.evil_text(public.evil) as implicit', 'create cast (public.evil as json) with function public.evil_json(public.evil)',
	'create table public.evil_order (id int, paid int, e public.evil)',
	format('select orderbell.attach(''public.evil_order'', ''paid'', ''{1}'', p_merchant_id => %s, p_content => ''evil {e}'')', :m)), 'done', 'a table with a type that has casts');
select test.forget(), test.try('owner', 'insert into public.evil_order values (1, 1, row(5))');
select is(test.rang_at(:m), '1 1 evil (5)', 'rings by what the type is');
select is(to_regclass('public.evil_was_here'), null, 'and runs no cast as us');

-- Partitioned tables
select test.forget();
select is(test.try('owner', 'create table public.big_order (id bigint, made date, paid_at timestamptz, done_at timestamptz, m int, wish text) partition by range (made)',
	'create table public.big_2025 (junk int, m int, id bigint, made date, wish text, paid_at timestamptz, done_at timestamptz)', 'alter table public.big_2025 drop column junk',
	'alter table public.big_order attach partition public.big_2025 for values from (''2025-01-01'') to (''2026-01-01'')',
	'select orderbell.attach(''big_order'', ''paid_at'', null, ''m'', p_content => ''{id}: {wish}'', p_moved_column => ''done_at'', p_remind_column => ''wish'')'), 'done',
	'a partitioned table is attached, by columns that are null until then');
select is(test.try('owner', 'create table public.big_2026 partition of public.big_order for values from (''2026-01-01'') to (''2027-01-01'')',
	format('insert into public.big_order values (1, ''2025-05-05'', null, null, %s, ''salt''), (2, ''2026-05-05'', now(), null, %1$s, ''pepper'')', :m)), 'done', 'orders go into its partitions');
select is(test.rang_at(:m), '1 2 2: pepper', 'a new partition rings');
select test.try('owner', 'update public.big_order set paid_at = now() where id = 1');
select is(test.rang_at(:m), '1 2 2: pepper, 1 1 1: salt', 'and one whose columns are in another order');
select test.try('owner', 'update public.big_2025 set paid_at = now(), wish = ''more salt'' where id = 1');
select is(test.rang_at(:m), '1 2 2: pepper, 1 1 1: salt, 2 1 1: more salt', 'reminders, too, and by the partition''s own name');
select test.try('owner', 'update public.big_order set made = ''2026-01-02'' where id = 1');
select is((select count(*) from orderbell.order_event), 3::bigint, 'an order that goes over into another partition is no new one');
select test.try('owner', 'update public.big_order set done_at = now() where id = 2');
select is((select acked_by from orderbell.order_event where order_id = 2), 'order', 'one that is done is acked');
select test.try('owner', 'update public.big_order set done_at = now(), made = ''2025-01-02'' where id = 1');
select is((select string_agg(coalesce(acked_by, '-'), ' ') from orderbell.order_event where order_id = 1), 'order order', 'also when it goes over by that');
select test.try('owner', format('insert into public.big_order values (3, ''2025-05-05'', null, null, %s, ''x'')', :m), 'update public.big_order set paid_at = now(), made = ''2026-01-02'' where id = 3');
select is((select count(*) from orderbell.order_event where order_id = 3 and acked_at is null), 1::bigint, 'one that is paid by going over rings');
select test.try('owner', format('insert into public.big_order values (4, ''2025-05-05'', now(), now(), %s, ''x'')', :m));
select is((select count(*) from orderbell.order_event where order_id = 4 and acked_at is null), 1::bigint, 'so does one that is made paid and done: it is news');
select is(test.try('owner', 'select orderbell.attach(''public.big_2025'', ''paid_at'', null, ''m'')'), '42809', 'a partition is not attached by itself');

-- Values of any type
select test.try('owner', 'create type public.pay_state as enum (''no'', ''yes'')', 'create domain public.shop_no as int', 'create schema "Odd Shop"',
	'create table "Odd Shop"."Order''s" ("Id" public.shop_no, "pay state" public.pay_state, "it''s {ok}" text, "Shop No" numeric(5), "{" text)');
select test.forget();
select is(test.try('owner', $$select orderbell.attach('"Odd Shop"."Order''s"', 'pay state', '{yes}', 'Shop No', p_id_column => 'Id', p_content => '{pay state} {Shop No}')$$), 'done',
	'names with everything in them, an enum, a domain, a numeric');
select is(test.try('owner', format($$insert into "Odd Shop"."Order's" values (4, 'no', 'x', %s), (5, 'yes', 'y', %1$s)$$, :m), $$update "Odd Shop"."Order's" set "pay state" = 'yes'$$), 'done', 'are paid');
select is(test.rang('"Odd Shop"."Order''s"'), format('1 5 yes %s, 1 4 yes %1$s', :m), 'and ring');
select is(test.try('owner', $$select orderbell.attach('"Odd Shop"."Order''s"', 'pay state', '{maybe}', 'Shop No', p_id_column => 'Id')$$), '22P02', 'a value that the type does not have is refused');
select is((select count(*) from orderbell.attachments where order_table = '"Odd Shop"."Order''s"'), 2::bigint, 'and leaves all as it was');
select is(test.try('owner', 'create table public.int_order (no uuid, pay smallint)', format('select orderbell.attach(''public.int_order'', ''pay'', ''{1,2}'', p_merchant_id => %s, p_id_column => null, p_content => ''{no}'')', :m),
	'insert into public.int_order values (''00000000-0000-0000-0000-000000000001'', 0)', 'update public.int_order set pay = 2', 'update public.int_order set pay = 1'), 'done', 'ids that are no number');
select is(test.rang('public.int_order'), '1 - 00000000-0000-0000-0000-000000000001', 'may stand in the text');

-- Attached again, and detached
select test.forget();
select is(test.try('owner', format('select orderbell.attach(''public.wc_orders'', ''status'', ''{wc-on-hold}'', p_merchant_id => %s)', :m)), 'done', 'attached again');
select is((select count(*) from orderbell.attachments where order_table = 'public.wc_orders'), 2::bigint, 'it is as it is said now');
select test.try('php', 'insert into public.wc_orders values (50, ''wc-processing'', ''EUR'', 1, null), (51, ''wc-on-hold'', ''EUR'', 1, null)');
select is(test.rang('public.wc_orders'), '1 51 订单号:51', 'with the plainest text where none is given');
select is(test.value('owner', 'orderbell.detach(''public.wc_orders'')'), 'true', 'detached');
select test.try('php', 'insert into public.wc_orders values (52, ''wc-on-hold'', ''EUR'', 1, null)');
select is(test.rang('public.wc_orders'), '1 51 订单号:51', 'it rings no more, and its events stay');
select is(test.value('owner', 'orderbell.detach(''public.wc_orders'')'), 'false', 'it was the last time');
select is(test.value('owner', 'orderbell.detach(''public.big_order'')'), 'true', 'a partitioned one');
select is((select count(*) from pg_trigger where tgname like 'orderbell_attached%' and tgrelid::regclass::text like '%big_%'), 0::bigint, 'is detached with all its partitions');

-- Refused, and why
create function test.refuses(p_args text) returns text language plpgsql as $$
declare
	v_hint text;
begin
	execute format('select orderbell.attach(%s)', p_args);
	return 'attached';
exception when others then
	get stacked diagnostics v_hint = pg_exception_hint;
	return sqlstate || ' ' || sqlerrm || coalesce(nullif(' ~ ' || v_hint, ' ~ '), '');
end $$;
set role test_alice;
select throws_ok($$ select orderbell.attach('public.wc_orders', 'status', '{x}', p_merchant_id => 1) $$, '42501', 'only its owner may attach or detach public.wc_orders', 'a DBA who does not own the table');
select throws_ok($$ select orderbell.detach('public.shop_order') $$, '42501', null, 'detaches nothing either');
reset role;
grant test_owner to test_alice;
select is(test.try('alice', 'select orderbell.attach(''public.wc_orders'', ''status'', ''{x}'', p_merchant_id => 1)', 'select orderbell.detach(''public.wc_orders'')'), 'done', 'a member of its owner does');
select is(test.try('php', 'select orderbell.attach(''public.wc_orders'', ''status'', ''{x}'', p_merchant_id => 1)'), '42501', 'the shop''s own role does not');
select is(test.refuses(format($$'public.wc_orders', 'statuss', '{x}', p_merchant_id => %s$$, :m)), '42703 public.wc_orders has no column statuss ~ It has id, status, currency, total_amount, payload, line_items.', 'a column that is not there is named');
select is(test.refuses(format($$'public.wc_orders', 'status', '{x}', 'shop', p_id_column => 'nr'$$)), '42703 public.wc_orders has no column nr, shop ~ It has id, status, currency, total_amount, payload, line_items.', 'all of them are');
select is(test.refuses(format($$'public.wc_orders', 'status', '{x}', p_merchant_id => %s, p_content => '{id} {total}'$$, :m)), '42703 public.wc_orders has no column total ~ It has id, status, currency, total_amount, payload, line_items.', 'those of the text, too');
select is(split_part(test.refuses($$'public.wc_orders', 'status', '{x}', 'status'$$), ' ~ ', 1), '42804 public.wc_orders has to be a number: status is character varying(20)',
	'a merchant is a number');
select is(split_part(test.refuses(format($$'public.int_order', 'pay', '{1}', p_merchant_id => %s, p_id_column => 'no'$$, :m)), ' ~ ', 1), '42804 public.int_order has to be a number: no is uuid', 'so is an id');
select is(test.refuses($$'public.wc_orders', 'status', '{x}', p_merchant_id => 999999$$), 'OB404 no such merchant: 999999', 'a merchant that does not exist');
select is(left(test.refuses(a), 5), s, d) from (values
	('''public.wc_orders'', ''status'', ''{x}''', '22023', 'no merchant at all'),
	('''public.wc_orders'', ''status'', ''{x}'', ''id'', 1', '22023', 'or two'),
	('''public.wc_orders'', null, ''{x}'', p_merchant_id => 1', '22023', 'nothing that is paid'),
	('''public.wc_orders'', ''status'', ''{}'', p_merchant_id => 1', '22023', 'or by no value'),
	('''public.wc_orders'', ''status'', ''{x}'', p_merchant_id => 1, p_moved_values => ''{x}''', '22023', 'values without a column'),
	('''public.wc_orders'', ''status'', ''{x}'', p_merchant_id => 1, p_moved_column => ''status'', p_moved_values => ''{}''', '22023', 'a column without values'),
	('''public.wc_orders'', ''status'', ''{x}'', p_merchant_id => 1, p_remind_content => ''x''', '22023', 'a text for nothing'),
	('''public.wc_orders'', ''status'', ''{x}'', p_merchant_id => 1, p_content => ''''', '22023', 'an empty text'),
	('''public.wc_orders'', ''status'', ''{x}'', p_merchant_id => 1, p_currency_column => ''currency''', '22023', 'a currency of nothing'),
	('''public.wc_orders'', ''status'', ''{x}'', p_merchant_id => 1, p_amount_column => ''sum''', '42703', 'an amount that is not there'),
	('''public.wc_orders'', ''status'', ''{x}'', p_merchant_id => 1, p_items_column => ''lines''', '42703', 'nor are the items'),
	('''public.wc_orders'', ''status'', ''{x}'', p_merchant_id => 1, p_items_column => ''total_amount''', '42804', 'items that are a number'),
	('''public.wc_orders'', ''status'', ''{x}'', p_merchant_id => 1, p_content => repeat(''x'', 8193)', '22023', 'a text without end'),
	('''public.wc_orders'', ''status'', ''{x}'', p_merchant_id => 1, p_id_column => null', '22023', 'neither an id nor a text'),
	('''public.wc_orders'', ''status'', ''{x}'', p_merchant_id => 1, p_id_column => null, p_content => ''x'', p_remind_column => ''status''', '22023', 'reminders of nobody knows what'),
	('''public.wc_orders'', ''id'', ''{x}'', p_merchant_id => 1', '22P02', 'a word for a number'),
	('''public.nothing'', ''id'', ''{x}'', p_merchant_id => 1', '42P01', 'no table'),
	('null, ''id'', ''{x}'', p_merchant_id => 1', '42P01', 'none at all'),
	('''orderbell.orders'', ''pay_status'', ''{1}'', ''merchant_id''', '42809', 'orderbell''s own table'),
	('''orderbell.waiting'', ''seq'', ''{1}'', ''merchant_id''', '42809', 'a view')) r (a, s, d);

-- A table that is busy is not waited for without end
select test.try('php', 'begin', 'update public.wc_orders set currency = ''CNY'' where id = 50');
select is(test.try('owner', 'select orderbell.attach(''public.wc_orders'', ''status'', ''{x}'', p_merchant_id => 1)'), '55P03', 'a table that is busy is waited for 5 s');
select test.try('php', 'rollback');

select test.close('owner'), test.close('php'), test.close('alice'), test.close('a'), test.close('ear');
set client_min_messages = error;
drop owned by test_alice, test_php, test_owner cascade;
drop role test_alice, test_php, test_owner;
delete from orderbell.order_event;
delete from orderbell.payment_exception;
delete from orderbell.template;
-- Braces of all kinds, in texts with doubled ones and without.
create temporary table braced (template text, names text[], filled text);
insert into braced values
	('', '{}', ''), (null, '{}', ''), ('plain', '{}', 'plain'), ('{a}', '{a}', 'A'), ('x{a}{b}{a}y', '{a,b}', 'xA{B}Ay'),
	('{}', '{}', '{}'), ('{', '{}', '{'), ('}', '{}', '}'), ('{a', '{}', '{a'), ('a}', '{}', 'a}'), ('{a{b}', '{b}', '{a{B}'),
	('{a}x}{b', '{a}', 'Ax}{b'), ('}{a}{', '{a}', '}A{'), ('{no}', '{no}', null), ('{a}{nil}', '{a,nil}', null),
	('{{a}}', '{}', '{a}'), ('{{{a}}}', '{a}', '{A}'), ('{{}}{b}', '{b}', '{}{B}'), ('{a}}', '{a}', 'A}'), ('{{x{a}', '{a}', '{xA'),
	('中{a}文', '{a}', '中A文');
select is_empty($$ select template, names, orderbell.placeholders(template) from braced where names <>
	(select coalesce(array_agg(n order by n), '{}') from unnest(orderbell.placeholders(template)) n) $$, 'a text names its columns');
select is_empty($$ select template, filled, orderbell.fill(template, '{a,b,nil}', '{A,"{B}",null}') from braced
	where filled is distinct from orderbell.fill(template, '{a,b,nil}', '{A,"{B}",null}') $$,
	'and is filled with their values, whose own braces are text');
select * from finish();
