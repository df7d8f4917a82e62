-- waiting - events that nobody has acked, the oldest first.
create or replace view orderbell.waiting as
select e.merchant_id, m.name as merchant, e.seq, e.type, e.order_id, e.content, e.created_at,
	clock_timestamp() - e.created_at as age
from orderbell.order_event e
left join orderbell.merchant m on m.id = e.merchant_id
where e.acked_at is null and e.seq is not null
order by e.created_at, e.merchant_id, e.seq;
comment on view orderbell.waiting is 'Events that nobody has acked, the oldest first.';
comment on column orderbell.waiting.merchant is 'name of the merchant';
comment on column orderbell.waiting.seq is 'for orderbell.ack()';
comment on column orderbell.waiting.age is 'how long it has been waiting';
