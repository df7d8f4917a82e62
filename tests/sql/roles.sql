-- Each role may do its own work and not another's.
\unset ON_ERROR_ROLLBACK
select plan(27);
select test.merchant() as m \gset
select test.order(:m) as o, test.paid(:m) as p \gset
create role test_fcgi login in role orderbell_fcgi;
create role test_notifier login in role orderbell_notifier;
create role test_dba login in role orderbell_dba;
create role test_nobody login;
select test.open('fcgi', 'test_fcgi'), test.open('notifier', 'test_notifier'), test.open('dba', 'test_dba'),
	test.open('nobody', 'test_nobody');

-- Exactly what is granted.  A new function or table has to be entered here.
create temporary table may (who text, what text);
insert into may values
	('orderbell_fcgi', 'note_callback pay remind ring ring_all'),
	('orderbell_notifier', 'ack escalate forget_presence notifier_beat notifier_gone tell_delivered tell_presence timeline wire_epoch'),
	('orderbell_dba', 'ack attach attachable attached_moved attached_ring detach doctor drop_attached has_columns has_value items_kind new_epoch notify pay '
		'placeholders prune prune_callbacks remind renumber ring ring_all terminal_add terminal_revoke timeline version wire_epoch'),
	('public', null);
select is((select string_agg(distinct p.proname, ' ' order by p.proname) from pg_proc p
		where p.pronamespace = 'orderbell'::regnamespace and has_function_privilege(who, p.oid, 'execute')), what,
	format('%s may execute: %s', who, coalesce(what, 'nothing')))
from may;
truncate may;
insert into may values
	('orderbell_fcgi', null),
	('orderbell_notifier', 'order_event: SELECT, stream: SELECT, terminal: SELECT'),
	('orderbell_dba', 'alert: SELECT, alerts: SELECT, attachments: SELECT, callbacks: SELECT, delivery: SELECT, escalation: SELECT, merchant: DELETE INSERT SELECT UPDATE, '
		'notifier: SELECT, order_event: SELECT, orders: DELETE INSERT SELECT UPDATE, payment_callback: SELECT, '
		'payment_exception: DELETE SELECT UPDATE, '
		'payment_exceptions: SELECT, presence: SELECT, stream: SELECT, template: DELETE INSERT SELECT UPDATE, terminal: SELECT, terminals: SELECT, terminals_online: SELECT, '
		'waiting: SELECT'),
	('public', null);
select is((select string_agg(t.relname || ': ' || t.privileges, ', ' order by t.relname) from (
		select c.relname, string_agg(a.privilege_type, ' ' order by a.privilege_type) as privileges
		from pg_class c, aclexplode(c.relacl) a
		where c.relnamespace = 'orderbell'::regnamespace
			and a.grantee = coalesce((select r.oid from pg_roles r where r.rolname = who), 0)
		group by c.relname) t), what, format('%s has on tables: %s', who, coalesce(what, 'nothing')))
from may;

-- And that it is enough, and no more.
select is(test.try('fcgi', format('select orderbell.pay(number, 38, ''webhook'', ''t'', ''later'')::text from (values (%L)) o (number)',
	(select number from orderbell.orders where id = :o)), format('select orderbell.ring(%s)', :m),
	format('select orderbell.remind(%s, 0, ''later'')::text', :o)), 'done', 'fcgi-order pays, rings and reminds');
select is(test.try('fcgi', format('select orderbell.ack(%s, array[1], ''x'')', :m)), '42501', 'it acks nothing');
select is(test.try('fcgi', format('select orderbell.notify(%s, 5, ''x'')', :m)), '42501', 'it rings nothing of its own');
select is(test.try('fcgi', 'select 1 from orderbell.orders'), '42501', 'it reads no orders');
select is(test.try('fcgi', format('update orderbell.orders set pay_status = 1 where id = %s', :o)), '42501', 'it writes none by itself');

select is(test.try('notifier', 'listen order_events', 'listen order_control',
	format('select orderbell.wire_epoch(s.epoch) || orderbell.timeline() from orderbell.stream s where s.merchant_id = %s', :m),
	format('select content from orderbell.order_event where merchant_id = %s and seq > 0', :m),
	format('select orderbell.ack(%s, array[1], ''till'')', :m)), 'done', 'the notifier listens, reads and acks');
select is(test.try('notifier', 'select orderbell.notifier_beat(''n'', ''one'', ''0.1'', ''listen'')',
	format('select orderbell.tell_presence(''n'', ''{1}'', ''{%s}'', ''{till}'', ''{v1}'', ''{armed}'', ''{now}'', ''{2}'')', :m),
	format('select orderbell.tell_delivered(array[id], array[now()], ''{till}'') from orderbell.order_event where merchant_id = %s and seq = 1', :m),
	'select orderbell.escalate(''1 minute'')', format('select token_hash from orderbell.terminal where merchant_id = %s', :m),
	'select orderbell.forget_presence(''n'')', 'select orderbell.notifier_gone(''n'')'), 'done', 'tells of itself and its terminals, and raises alerts');
select is(test.try('notifier', format('select orderbell.terminal_add(%s, ''till'')::text', :m)), '42501', 'it lets no terminal in by itself');
select is(test.try('notifier', 'select 1 from orderbell.presence'), '42501', 'it reads nothing that it need not');
select is(test.try('notifier', 'select orderbell.pay(''X'', 1)::text'), '42501', 'it pays nothing');
select is(test.try('notifier', format('update orderbell.order_event set acked_at = null where merchant_id = %s', :m)), '42501', 'it writes no event by itself');
select is(test.try('notifier', 'select 1 from orderbell.orders'), '42501', 'it reads no orders');
select is(test.try('notifier', 'select orderbell.prune()'), '42501', 'it forgets nothing');

select is(test.try('dba', 'insert into orderbell.merchant (name) values (''new'')',
	format('insert into orderbell.orders (number, amount, merchant_id) values (''DBA1'', 1, %s)', :m),
	'update orderbell.orders set pay_status = 1 where number = ''DBA1''',
	format('select orderbell.notify(%s, 5, ''x'')', :m), format('select orderbell.remind(%s)::text', :p),
	format('select orderbell.ack(%s, array[1, 2], ''dba'')', :m), 'select orderbell.prune()', 'select orderbell.renumber()',
	'select check_name from orderbell.doctor()', 'select content from orderbell.waiting',
	format('select orderbell.terminal_add(%s, ''till'')::text', :m), format('select orderbell.terminal_revoke(%s, ''till'')', :m),
	'select terminal from orderbell.terminals_online', 'select name from orderbell.terminals', 'select seq from orderbell.alerts',
	format('update orderbell.merchant set escalate_after = ''5 minutes'' where id = %s', :m),
	'select kind from orderbell.payment_exceptions', 'delete from orderbell.payment_exception',
	format('select orderbell.new_epoch(%s)', :m)), 'done', 'the DBA uses every verb, and keeps merchants and orders');
select is(test.stream(:m), 'whole 6', 'which rings');
select is(test.try('dba', 'update orderbell.stream set seq = 99'), '42501', 'he writes no stream by himself');
select is(test.try('dba', 'update orderbell.terminal set token_hash = null'), '42501', 'nor tokens');
select is(test.try('dba', 'delete from orderbell.order_event'), '42501', 'nor events');
select is(test.try('nobody', 'select orderbell.pay(''X'', 1)::text'), '42501', 'whoever has no role may do nothing');

select test.close('fcgi'), test.close('notifier'), test.close('dba'), test.close('nobody');
drop role test_fcgi, test_notifier, test_dba, test_nobody;
select * from finish();
