-- callbacks - what gateways said, beside what the order says now.
create or replace view orderbell.callbacks as
select c.last_at, c.gateway, c.number, c.verdict, c.state, c.count, c.first_at, c.transaction_id,
	c.notification_id, c.detail, o.id as order_id, o.merchant_id, o.amount, o.status, o.pay_status
from orderbell.payment_callback c
left join orderbell.orders o on o.number = c.number
order by c.last_at desc;
comment on view orderbell.callbacks is 'What gateways said, the latest first.';
comment on column orderbell.callbacks.verdict is 'what became of it';
comment on column orderbell.callbacks.amount is 'what the order says';
comment on column orderbell.callbacks.status is 'of the order, now';
comment on column orderbell.callbacks.pay_status is 'of the order, now';
