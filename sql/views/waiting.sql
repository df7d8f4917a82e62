-- waiting - events that nobody has acked, the oldest first.
create or replace view orderbell.waiting as
select e.merchant_id, m.name as merchant, e.seq, e.type, e.order_id, e.content, e.created_at,
	clock_timestamp() - e.created_at as age, d.first_sent_at, d.first_sent_to,
	(select count(distinct o.terminal) from orderbell.terminals_online o
		where o.merchant_id = e.merchant_id) as terminals,
	e.details ->> 'amount' as amount
from orderbell.order_event e
left join orderbell.merchant m on m.id = e.merchant_id
left join orderbell.delivery d on d.event_id = e.id
where e.acked_at is null and e.seq is not null
order by e.created_at, e.merchant_id, e.seq;
comment on view orderbell.waiting is 'Events that nobody has acked, the oldest first.';
comment on column orderbell.waiting.merchant is 'name of the merchant';
comment on column orderbell.waiting.seq is 'for orderbell.ack()';
comment on column orderbell.waiting.age is 'how long it has been waiting';
comment on column orderbell.waiting.first_sent_at is
	'when it was first sent to a terminal; null: to none yet';
comment on column orderbell.waiting.first_sent_to is 'to which';
comment on column orderbell.waiting.terminals is 'how many of the merchant''s are online now';
comment on column orderbell.waiting.amount is 'of the order, as terminals show it';
