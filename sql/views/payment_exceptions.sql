-- payment_exceptions - payments for a person to look at, beside what their orders say now.
create or replace view orderbell.payment_exceptions as
select x.id, x.created_at, x.kind, x.number, x.amount, o.amount as order_amount, o.status,
	o.pay_status, x.merchant_id, x.order_id, x.gateway, x.transaction_id, x.detail
from orderbell.payment_exception x
left join orderbell.orders o on o.id = coalesce(x.order_id,
	(select n.id from orderbell.orders n where n.number = x.number))
order by x.id desc;
comment on view orderbell.payment_exceptions is
	'Payments for a person to look at, the newest first.';
comment on column orderbell.payment_exceptions.amount is 'what was paid';
comment on column orderbell.payment_exceptions.order_amount is 'what the order says';
comment on column orderbell.payment_exceptions.status is 'of the order, now';
comment on column orderbell.payment_exceptions.pay_status is 'of the order, now';
