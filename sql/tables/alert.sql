-- alert - events that nobody acked in time, for a person to act upon: one row per event, ever.
create table if not exists orderbell.alert (
	id          bigint generated always as identity primary key,
	created_at  timestamptz not null default clock_timestamp(),
	kind        text not null check (kind in ('unreachable', 'ignored')),
	merchant_id bigint not null,
	event_id    bigint not null unique,
	seq         bigint not null,
	order_id    bigint,
	terminals   int not null,
	detail      text not null
);
comment on table orderbell.alert is
	'Events that nobody acked in time: one row per event. Written by orderbell.escalate() only.';
comment on column orderbell.alert.id is 'of the alert';
comment on column orderbell.alert.created_at is 'when it was raised';
comment on column orderbell.alert.kind is
	'unreachable: no terminal of the merchant was connected; ignored: at least one was';
comment on column orderbell.alert.merchant_id is 'who does not answer';
comment on column orderbell.alert.event_id is 'id of the event';
comment on column orderbell.alert.seq is 'of the event, for orderbell.ack()';
comment on column orderbell.alert.order_id is 'the order it is about, if any';
comment on column orderbell.alert.terminals is 'how many of the merchant''s were connected';
comment on column orderbell.alert.detail is 'more, in words';
