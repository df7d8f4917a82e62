-- order_event - what rings at terminals.
-- xact says which transaction wrote a row.  That is how the commit trigger finds the rows of its
-- own transaction exactly: those of its savepoints too, and never one that another transaction left
-- without a seq.  (xmin would not do, it is that of the savepoint.)
-- No CHECK: each one costs every payment 4 us, and only our functions write here.
create table if not exists orderbell.order_event (
	id          bigint generated always as identity primary key,
	merchant_id bigint not null,
	seq         bigint,
	type        int not null,
	order_id    bigint,
	content     text not null,
	created_at  timestamptz not null default clock_timestamp(),
	acked_at    timestamptz,
	acked_by    text,
	order_table text,
	details     jsonb,
	xact        xid8 not null default pg_current_xact_id()
);
comment on table orderbell.order_event is
	'What rings at terminals: one row per event, numbered 1, 2, 3 ... per merchant as they commit.';
comment on column orderbell.order_event.id is 'of the event; not in commit order';
comment on column orderbell.order_event.merchant_id is 'who is to know';
comment on column orderbell.order_event.seq is
	'given when its transaction commits; null only inside it';
comment on column orderbell.order_event.type is
	'1 new paid order, 2 the customer reminds, others are the shop''s own';
comment on column orderbell.order_event.order_id is 'the order it is about, if any';
comment on column orderbell.order_event.content is 'the text that is shown';
comment on column orderbell.order_event.created_at is 'the moment of its commit';
comment on column orderbell.order_event.acked_at is
	'when a person at a terminal had seen it; null while it waits';
comment on column orderbell.order_event.acked_by is
	'the terminal, or: order (it moved on), expired (prune), quiet (imported)';
comment on column orderbell.order_event.order_table is
	'the attached table that order_id is of; null: orderbell.orders';
comment on column orderbell.order_event.details is
	'what a terminal may show and say besides: amount, currency, items, items_more, voice, language';
comment on column orderbell.order_event.xact is 'the transaction that wrote it';

-- An event is written twice, with and without seq; indexes that skip the first save a third of the
-- work.  A query that says seq > or = something can use them as they are.
-- (`create index if not exists` would lock out payments before it sees that there is nothing to
-- do.)
do $$
begin
	if to_regclass('orderbell.order_event_seq') is null then
		create unique index order_event_seq
			on orderbell.order_event (merchant_id, seq) where seq is not null;
	end if;
	if to_regclass('orderbell.order_event_waiting') is null then
		create index order_event_waiting
			on orderbell.order_event (merchant_id, seq) where acked_at is null and seq is not null;
	end if;
	if to_regclass('orderbell.order_event_due') is null then
		create index order_event_due
			on orderbell.order_event (created_at) where acked_at is null and seq is not null;
	end if;
	if to_regclass('orderbell.order_event_unnumbered') is null then
		create index order_event_unnumbered on orderbell.order_event (xact, id) where seq is null;
	end if;
	if to_regclass('orderbell.order_event_order') is null then
		create index order_event_order on orderbell.order_event (order_id);
	end if;
end $$;
comment on index orderbell.order_event_seq is 'a seq is given once; terminals read on from theirs';
comment on index orderbell.order_event_waiting is 'what nobody has acked';
comment on index orderbell.order_event_due is 'the oldest that nobody has acked; escalation';
comment on index orderbell.order_event_unnumbered is 'a transaction''s own events, at its commit';
comment on index orderbell.order_event_order is 'reminders of an order; acks when it moves on';
