-- What an event says besides its content: amount, items, a text to be spoken; and texts of orders.
\unset ON_ERROR_ROLLBACK
select plan(98);
delete from orderbell.order_event;
delete from orderbell.payment_exception;
delete from orderbell.template;
create role test_owner login in role orderbell_dba;
create role test_shop login;
grant create on schema public to test_owner;
grant usage on schema orderbell to test_shop;
grant select, insert, update on orderbell.orders to test_shop;
select test.merchant() as m, test.merchant() as n \gset
select test.open('owner', 'test_owner'), test.open('shop', 'test_shop'), test.open('a');
create function test.last_details(p_table text default null) returns jsonb language sql as $$
	select details from orderbell.order_event where order_table is not distinct from p_table order by id desc limit 1
$$;
create function test.pay_one(p_merchant bigint, p_items jsonb default null) returns text language plpgsql as $$
declare
	v_id bigint := test.order(p_merchant);
begin
	update orderbell.orders set items = p_items, remark = 'hot' where id = v_id;
	update orderbell.orders set pay_status = 1, status = 2 where id = v_id;
	return (select e.content from orderbell.order_event e where e.order_id = v_id);
end $$;
create function test.reminded() returns text language plpgsql as $$
declare
	v_id constant bigint := (select r.event_id from orderbell.remind((select max(id) from orderbell.orders)) r);
begin
	return (select e.content from orderbell.order_event e where e.id = v_id);
end $$;
create function test.forget_all() returns void language plpgsql as $$
begin
	delete from orderbell.order_event;
	delete from orderbell.payment_exception;
	delete from orderbell.template;
end $$;
create function test.exceptions_told() returns text language sql as $$
	select string_agg(kind || ' ' || gateway || ' ' || detail, ', ' order by id) from orderbell.payment_exception
$$;

-- Amount and currency
select test.pay_one(:m);
select is(test.last_details(), '{"amount": "38.00"}', 'an order that is paid tells its amount');
select is((select amount from orderbell.waiting where merchant_id = :m), '38.00', 'which the view waiting shows');
select event_id from orderbell.remind((select max(id) from orderbell.orders)) \gset
select is((select details from orderbell.order_event where id = :event_id), '{"amount": "38.00"}', 'a reminder of it as well');
set orderbell.currency = 'EUR';
select test.pay_one(:m);
select is(test.last_details(), '{"amount": "38.00", "currency": "EUR"}', 'with the currency where the database has one');
select test.pay_one(:m, '["tea"]');
select is(test.last_details(), '{"items": [{"name": "tea"}], "amount": "38.00", "currency": "EUR"}', 'and with the items');
set orderbell.currency = 'euros';
select test.pay_one(:m);
select is(test.last_details(), '{"amount": "38.00"}', 'a currency that is none is left out');
reset orderbell.currency;
select is(orderbell.details(a, null, null, null, null) ->> 'amount', w, format('%s is told as %s', a, w)) from (values
	('12.50000000', '12.50'), ('12.12500000', '12.125'), ('1200', '1200'), ('5.5', '5.5'), ('-3.000', '-3.00'), (' ¥38 ', '¥38'), ('0.00', '0.00'),
	('', null), (repeat('1', 41), null), (repeat('9', 20) || '.' || repeat('9', 19), repeat('9', 20) || '.' || repeat('9', 19))) r (a, w);
select is(orderbell.details(null, 'EUR', null, null, 'en'), null, 'a currency of no amount, and the language of no voice, are nothing');

-- Items
select is(orderbell.items_of(i), w, d) from (values
	(null, null, 'no items'), ('null'::jsonb, null, 'null'), ('[]', null, 'none at all'),
	('[{"name": "面", "quantity": 2, "note": "辣", "price": 5}, {"name": "tea"}]'::jsonb, '{"items": [{"name": "面", "note": "辣", "quantity": 2}, {"name": "tea"}]}'::jsonb,
		'what was ordered: name, quantity and note'),
	('["面", " tea\n"]', '{"items": [{"name": "面"}, {"name": "tea"}]}', 'or names alone'),
	('"tea"', '{"items": [{"name": "tea"}]}', 'or one'),
	('{"name": "tea", "quantity": "1.50000000"}', '{"items": [{"name": "tea", "quantity": 1.5}]}', 'a quantity may be a text'),
	('[{"name": "a", "quantity": 0}, {"name": "b", "quantity": -1}, {"name": "c", "quantity": 1e9}, {"name": "d", "quantity": "x"}, {"name": "e", "quantity": {}}]',
		'{"items": [{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d"}, {"name": "e"}]}', 'one that is none is left out'),
	('[{"name": "a", "note": 5}, {"name": "b", "note": " "}]', '{"items": [{"name": "a"}, {"name": "b"}]}', 'so is a note'),
	('[5, {"title": "x"}, {"name": 7}, {"name": " "}, null, [], "tea"]', '{"items": [{"name": "tea"}], "items_more": 6}', 'what has no name counts as more'),
	('{"a": "b"}', '{"items_more": 1}', 'also where nothing has one')) r (i, w, d);
select is(orderbell.items_of(jsonb_build_array(jsonb_build_object('name', repeat('x', 200), 'note', repeat('长', 67)))) #>> '{items,0,name}', repeat('x', 200), 'a name of 200 bytes is told as it is');
select is(octet_length(orderbell.items_of(jsonb_build_array(repeat('长', 10000))) #>> '{items,0,name}'), 198, 'a longer one is cut between two characters');
select is(orderbell.items_of(jsonb_build_array(repeat('x', 201))) #>> '{items,0,name}', repeat('x', 197) || '…', 'which is seen');
select is((select jsonb_array_length(o -> 'items') || ' ' || (o ->> 'items_more') from orderbell.items_of((select jsonb_agg('x' || g) from generate_series(1, 120) g)) o), '50 70', 'at most 50 are told');
select is((select jsonb_array_length(o -> 'items') || ' ' || (o ->> 'items_more') from orderbell.items_of((select jsonb_agg(repeat('x', 200)) from generate_series(1, 30) g)) o), '19 11', 'and 4 KiB');
select is((select orderbell.items_of((select jsonb_agg(case g when 1 then 'first' else repeat('x', 200) end order by g) from generate_series(1, 30) g)) #>> '{items,0,name}'), 'first', 'the first ones');
create function test.largest(p_text text) returns int language sql as $$
	select octet_length(orderbell.details(repeat('9', 40), 'CNY', (select jsonb_agg(jsonb_build_object('name', repeat(p_text, 100), 'note', repeat(p_text, 100))) from generate_series(1, 90)),
		repeat(p_text, 10000), 'zh-CN')::text)
$$;
select cmp_ok((select max(test.largest(t)) from unnest(array['x', '长', '"', E'\n', '😀']) t), '<', 5500, 'all of it has a bound, whatever is in it');
select is(orderbell.details(null, null, null, repeat('😀', 200), null) ->> 'voice', repeat('😀', 124) || '…', 'a voice is cut to 500 bytes');
select test.pay_one(:m, '{"no": "array"}');
select is(test.last_details(), '{"amount": "38.00", "items_more": 1}', 'items that cannot be read do not hinder a payment');
select is(test.try('shop', format('insert into orderbell.orders (number, amount, merchant_id, pay_status, items) values (''details-1'', 5, %s, 1, ''[{"name": "tea", "quantity": 2}]'')', :m)), 'done', 'a shop gives them with the order');
select is(test.last_details(), '{"items": [{"name": "tea", "quantity": 2}], "amount": "5.00"}', 'with no right on ours');

-- The manual page's trigger, for a shop that keeps the lines in a table of its own
create table public.order_detail (id int generated always as identity, order_id bigint, name text, number int);
\set page `sed -n '/^create function tell_items/,/execute function tell_items/p' "$ORDERBELL_TOP/sql/orderbell-sql.7"`
:page
insert into orderbell.orders (number, amount, merchant_id) values ('details-D', 5, :m) returning id as d \gset
insert into public.order_detail (order_id, name, number) values (:d, '面', 2), (:d, 'tea', 1);
update orderbell.orders set pay_status = 1 where id = :d;
select is(test.last_details(), '{"items": [{"name": "面", "quantity": 2}, {"name": "tea", "quantity": 1}], "amount": "5.00"}', 'lines of another table, by the trigger of the manual page');
drop table public.order_detail;
drop function tell_items();

-- Texts of orders
insert into orderbell.template (content, voice) values ('No. {number}: {remark}, {amount}', 'Order {number}, {remark}');
select matches(test.pay_one(:m), '^No[.] T[0-9]+: hot, 38[.]00$', 'a template is for orders as well');
select matches(test.last_details() ->> 'voice', '^Order T[0-9]+, hot$', 'what it has for the voice is told');
select is(test.last_details() - 'voice', '{"amount": "38.00"}', 'without a language where the merchant has none');
select matches(test.pay_one(:m, '["tea"]'), '^No[.] T[0-9]+: hot, 38[.]00$', 'with items, too');
select is(test.reminded(),
	'订单号:' || (select number from orderbell.orders order by id desc limit 1), 'a reminder has one of its own');
insert into orderbell.template (type, content) values (2, '{number}, where is it?');
select test.pay_one(:m);
select matches(test.reminded(), '^T[0-9]+, where is it[?]$', 'if there is one');
update orderbell.merchant set language = 'en-GB' where id = :n;
insert into orderbell.template (language, content) values ('en', 'en {number}');
select matches(test.pay_one(:n), '^en T[0-9]+$', 'the closest content counts');
select matches(test.last_details() ->> 'voice', '^Order T[0-9]+, hot$', 'and the closest voice');
select is(test.last_details() ->> 'language', 'en-GB', 'in the merchant''s language');
insert into orderbell.template (merchant_id, voice) values (:n, '{amount} for {number}');
select matches(test.pay_one(:n), '^en T[0-9]+$', 'a row with a voice alone changes no content');
select matches(test.last_details() ->> 'voice', '^38[.]00 for T[0-9]+$', 'but what is spoken');
insert into orderbell.template (merchant_id, order_table, content) values (:n, 'public.other', 'other'), (:n, 'orderbell.orders', 'mine {number}');
select matches(test.pay_one(:n), '^mine T[0-9]+$', 'one for orderbell.orders is for these');
select test.forget_all();
insert into orderbell.template (merchant_id, content) values (:n, 'not yours');
select matches(test.pay_one(:m), '^订单号:T[0-9]+$', 'another merchant''s is not');
insert into orderbell.template (content) values ('{address}');
select matches(test.pay_one(:m), '^订单号:T[0-9]+$', 'one that leaves nothing to tell tells the number');
select is(test.exceptions_told(), null, 'which is no mistake');
update orderbell.template set content = '{wish}', voice = '{number}' where merchant_id is null;
select matches(test.pay_one(:m), '^订单号:T[0-9]+$', 'so does one that names a column that is not there');
select is(test.exceptions_told(), 'bad_template orderbell.orders orderbell.orders does not have all columns of ''{wish}''', 'and a person is told');
select matches(test.last_details() ->> 'voice', '^T[0-9]+$', 'its voice is good all the same');
update orderbell.template set content = 'x', voice = '{number} {wish}' where merchant_id is null;
select is(test.pay_one(:m), 'x', 'a voice that does');
select is(test.last_details(), '{"amount": "38.00"}', 'is left out');
select matches(test.exceptions_told(), 'all columns of ''[{]number[}] [{]wish[}]''$', 'and a person is told');
update orderbell.template set content = '{remark}', voice = repeat('{remark}', 20) where merchant_id is null;
select test.try('shop', format('insert into orderbell.orders (number, amount, merchant_id, remark) values (''details-2'', 5, %s, repeat(''长'', 100))', :m), 'update orderbell.orders set pay_status = 1 where number = ''details-2''');
select is(octet_length(test.last_details() ->> 'voice'), 498, 'a voice that gets too long is cut');
select throws_ok(format('insert into orderbell.template (voice) values (%L)', v), '23514', null, d) from (values ('', 'a voice is not empty'), (repeat('x', 501), 'nor too long')) r (v, d);
select throws_ok('insert into orderbell.template (language) values (''de'')', '23514', null, 'a template has one of both');
delete from orderbell.payment_exception;
select test.try('a', 'begin', 'lock table orderbell.template in access exclusive mode');
select is(test.try('shop', 'set lock_timeout = 200', format('insert into orderbell.orders (number, amount, merchant_id, pay_status) values (''details-3'', 5, %s, 1)', :m)), '55P03',
	'a lock of the texts is waited for, as long as the shop says');
select test.try('a', 'rollback');
select is(test.try('shop', 'reset lock_timeout', format('insert into orderbell.orders (number, amount, merchant_id, pay_status) values (''details-3'', 5, %s, 1)', :m)), 'done', 'and then the order is paid');
select is(test.exceptions_told(), null, 'which is no mistake');
select test.forget_all();

-- notify()
select is(orderbell.notify(:m, 7, 'x', null, '{"amount": "5", "currency": "CNY", "items": ["tea", {"name": "面", "quantity": 2}], "voice": "listen", "language": "en"}') > 0, true, 'notify() takes all of it');
select is(test.last_details(), '{"items": [{"name": "tea"}, {"name": "面", "quantity": 2}], "voice": "listen", "amount": "5", "currency": "CNY", "language": "en"}', 'and tells it');
select orderbell.notify(:m, 7, 'x', null, '{}');
select is(test.last_details(), null, 'an empty object is none');
select throws_ok(format('select orderbell.notify(%s, 7, %L, null, %L)', :m, 'x', d), '22023', w, d) from (values
	('[]', 'p_details is an object, not array'),
	('{"amout": "5"}', 'p_details has what is not as it must be: amout'),
	('{"amount": 5}', 'p_details has what is not as it must be: amount'),
	('{"amount": "5", "currency": "yuan"}', 'p_details has what is not as it must be: currency'),
	('{"items": [], "language": "en"}', 'p_details has what is not as it must be: items, language')) r (d, w);
select throws_ok(format('select orderbell.notify(%s, 7, %L, null, jsonb_build_object(%L, repeat(%L, 501)))', :m, 'x', 'voice', 'x'), '22023', null, 'a voice without end');

-- Columns of attached tables
create function test.attached(p_columns text, p_values text, p_items text) returns jsonb language plpgsql as $$
declare
	v_done text := test.try('owner', 'drop table if exists public.t_order', format('create table public.t_order (id int, paid int, %s)', p_columns),
		format('select orderbell.attach(''public.t_order'', ''paid'', ''{1}'', p_merchant_id => (select min(id) from orderbell.merchant), %s)', p_items),
		format('insert into public.t_order values (1, 1, %s)', p_values));
begin
	return case v_done when 'done' then test.last_details('public.t_order') else to_jsonb(v_done) end;
end $$;
select is(test.attached(c, v, i), w, d) from (values
	('sum numeric(26, 8), cur varchar(3)', '38.5, ''EUR''', 'p_amount_column => ''sum'', p_currency_column => ''cur''', '{"amount": "38.50", "currency": "EUR"}'::jsonb, 'an attached table''s amount and currency'),
	('sum money', '38.5', 'p_amount_column => ''sum''', '{"amount": "$38.50"}', 'money as it is written'),
	('sum int', 'null', 'p_amount_column => ''sum''', null, 'no amount'),
	('i jsonb', '''[{"name": "tea", "quantity": 2, "price": 5}]''', 'p_items_column => ''i''', '{"items": [{"name": "tea", "quantity": 2}]}', 'items as jsonb'),
	('i json', '''["tea", {"name": "x\u0000"}]''', 'p_items_column => ''i''', null, 'as json; what PostgreSQL cannot read is left out'),
	('i text[]', '''{tea,null,"  ",面}''', 'p_items_column => ''i''', '{"items": [{"name": "tea"}, {"name": "面"}]}', 'as text[]'),
	('i varchar(20)[]', '''{{a,b},{c,d}}''', 'p_items_column => ''i''', '{"items": [{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d"}]}', 'as an array of arrays'),
	('i text', 'E''2 x tea\r\n\n[面]''', 'p_items_column => ''i''', '{"items": [{"name": "2 x tea"}, {"name": "[面]"}]}', 'as text, one a line'),
	('i text', 'repeat(''x'', 300000)', 'p_items_column => ''i''', null, 'a text without end is left out'),
	('i int[]', '''{1}''', 'p_items_column => ''i''', '"42804"', 'items of numbers are refused')) r (c, v, i, w, d);
select is(test.try('owner', 'drop table public.t_order', 'create table public.t_order (id int, paid int, i jsonb)',
	format('select orderbell.attach(''public.t_order'', ''paid'', ''{1}'', p_merchant_id => %s, p_items_column => ''i'', p_amount_column => ''id'')', :m),
	'alter table public.t_order alter column i type text using i::text', 'insert into public.t_order values (7, 1, ''no json'')'), 'done', 'a column that changes its type');
select is(test.last_details('public.t_order'), '{"amount": "7"}', 'is left out, and the rest is told');
select is(test.try('owner', 'alter table public.t_order drop column i', 'insert into public.t_order values (8, 1)'), 'done', 'so is one that is dropped');
select is(test.last_details('public.t_order'), '{"amount": "8"}', 'whose order rings all the same');
insert into orderbell.template (order_table, voice) values ('public.t_order', 'say {id}');
select test.try('owner', 'insert into public.t_order values (9, 1)');
select is((select content || ' ' || details from orderbell.order_event order by id desc limit 1), '订单号:9 {"voice": "say 9", "amount": "9"}', 'a voice is for attached tables, too');
update orderbell.template set voice = 'say {nothing}';
select test.try('owner', 'insert into public.t_order values (10, 1)');
select is((select content || ' ' || details from orderbell.order_event order by id desc limit 1), '订单号:10 {"amount": "10"}', 'one that names a column that is not there is left out');
select matches(test.exceptions_told(), 'bad_template public.t_order public.t_order does not have all columns of ''say [{]nothing[}]''', 'and a person is told');

-- A type of the shop's own does nothing in our name
select is(test.try('owner', 'create domain public.evil_items as jsonb', 'create function public.evil_cast(public.t_order) returns jsonb language plpgsql as $f$ begin create table public.evil_was_here (); return ''[]''; end $f$',
	'create cast (public.t_order as jsonb) with function public.evil_cast(public.t_order) as implicit', 'create table public.evil_order (id int, paid int, e public.t_order, i public.evil_items)',
	format('select orderbell.attach(''public.evil_order'', ''paid'', ''{1}'', p_merchant_id => %s, p_amount_column => ''e'')', :m), 'insert into public.evil_order values (1, 1, row(5, 6))'), 'done',
	'an amount of a type that has casts');
select is(test.last_details('public.evil_order'), '{"amount": "(5,6)"}', 'is told by what the type is');
select is(to_regclass('public.evil_was_here'), null, 'and runs no cast as us');
select is(test.try('owner', format('select orderbell.attach(''public.evil_order'', ''paid'', ''{1}'', p_merchant_id => %s, p_items_column => ''i'')', :m)), '42804', 'a domain has no items');

select test.close('owner'), test.close('shop'), test.close('a');
set client_min_messages = error;
drop owned by test_owner, test_shop cascade;
drop role test_owner, test_shop;
select test.forget_all();
select * from finish();
