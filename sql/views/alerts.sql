-- alerts - events that nobody acked in time, the newest first, and whether somebody has meanwhile.
create or replace view orderbell.alerts as
select a.id, a.created_at, a.kind, a.merchant_id, m.name as merchant, a.seq, a.order_id, e.content,
	a.terminals, a.detail, e.acked_at, e.acked_by, a.event_id
from orderbell.alert a
left join orderbell.order_event e on e.id = a.event_id
left join orderbell.merchant m on m.id = a.merchant_id
order by a.id desc;
comment on view orderbell.alerts is 'Events that nobody acked in time, the newest first.';
comment on column orderbell.alerts.kind is
	'unreachable: no terminal of the merchant was connected; ignored: at least one was';
comment on column orderbell.alerts.merchant is 'name of the merchant';
comment on column orderbell.alerts.seq is 'for orderbell.ack()';
comment on column orderbell.alerts.content is 'the text of the event';
comment on column orderbell.alerts.terminals is 'how many were connected then';
comment on column orderbell.alerts.acked_at is
	'when somebody had seen it after all; null: it still waits';
comment on column orderbell.alerts.acked_by is 'the terminal, or: order, expired, quiet';
