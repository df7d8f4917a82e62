-- delivery - when an event was first sent to a terminal, and to which.  Apart from order_event,
-- whose rows payments and acks want; written in batches that wait for no flush, so the last moments
-- before a crash may be missing.  No foreign key: it would look up each event again.
create table if not exists orderbell.delivery (
	event_id      bigint primary key,
	first_sent_at timestamptz not null,
	first_sent_to text not null
);
comment on table orderbell.delivery is 'When an event was first sent, and to which terminal.';
comment on column orderbell.delivery.event_id is 'id of the event';
comment on column orderbell.delivery.first_sent_at is 'when it was written to a terminal''s socket';
comment on column orderbell.delivery.first_sent_to is 'name of the terminal';
