-- From 0.1.0 to 0.2.0: what "if not exists" and "or replace" do not do by themselves.
-- Payments wait behind these locks, so they wait for nobody for long: who has a transaction open
-- there stops the upgrade (55P03) and not the shop; nothing is changed then.  Orders first, as
-- payments have it, or the two would deadlock.
set local lock_timeout = '3s';
lock table orderbell.orders, orderbell.merchant, orderbell.order_event, orderbell.payment_exception
	in access exclusive mode;
alter table orderbell.merchant
	add column escalate_after interval
		check (escalate_after between interval '0' and interval '1 year'),
	add column language text check (language ~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$');
alter table orderbell.order_event add column order_table text, add column details jsonb;
alter table orderbell.orders add column items jsonb;
alter table orderbell.payment_exception
	drop constraint payment_exception_kind_check,
	add constraint payment_exception_kind_check check (kind in ('unknown_order', 'amount_differs',
		'cancelled', 'refunded', 'paid_twice', 'unknown_merchant', 'bad_template'));
-- Their conditions have become shorter: triggers.sql makes them anew.
drop trigger orderbell_order_paid on orderbell.orders;
drop trigger orderbell_order_moved on orderbell.orders;
drop function orderbell.notify(bigint, int, text, bigint);
drop function orderbell.pay(text, numeric, text, text, text, text, bigint, int);
