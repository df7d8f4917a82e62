-- xact says which transaction wrote a row: that is how the commit trigger finds the rows of its own
-- transaction exactly, subtransactions included, and never one that another left without a seq.
create table if not exists orderbell.order_event (
	id          bigint generated always as identity primary key,
	merchant_id bigint not null,
	seq         bigint check (seq > 0),
	type        int not null check (type > 0),
	order_id    bigint,
	content     text not null check (octet_length(content) <= 32768),
	created_at  timestamptz not null default clock_timestamp(),
	acked_at    timestamptz,
	acked_by    text check (octet_length(acked_by) <= 200),
	xact        xid8 not null default pg_current_xact_id(),
	unique (merchant_id, seq)
);
create index if not exists order_event_unnumbered on orderbell.order_event (xact) where seq is null;
create index if not exists order_event_waiting on orderbell.order_event (merchant_id, seq) where acked_at is null;
create index if not exists order_event_order on orderbell.order_event (order_id);
comment on table orderbell.order_event is 'What rings at terminals: one row per event, numbered per merchant 1, 2, 3 ... in commit order.';
comment on column orderbell.order_event.seq is 'given when its transaction commits; null only inside it';
comment on column orderbell.order_event.type is '1 new paid order, 2 the customer reminds, others are the shop''s own';
comment on column orderbell.order_event.content is 'the text that is shown';
comment on column orderbell.order_event.created_at is 'the moment of its commit';
comment on column orderbell.order_event.acked_at is 'when a person at a terminal had seen it; null while it waits';
comment on column orderbell.order_event.acked_by is 'the terminal, or: order (it moved on), expired (prune)';
comment on column orderbell.order_event.xact is 'the transaction that wrote it';
