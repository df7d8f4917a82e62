create table if not exists orderbell.payment_exception (
	id             bigint generated always as identity primary key,
	created_at     timestamptz not null default clock_timestamp(),
	kind           text not null check (kind in ('unknown_order', 'amount_differs', 'cancelled', 'refunded', 'unknown_merchant')),
	merchant_id    bigint,
	order_id       bigint,
	number         text,
	amount         numeric,
	gateway        text,
	transaction_id text,
	detail         text
);
-- A gateway repeats its callback until it is content: one row is enough.
create unique index if not exists payment_exception_once on orderbell.payment_exception
	(kind, gateway, transaction_id, number) where transaction_id is not null;
comment on table orderbell.payment_exception is 'Money that came and rang nowhere: for a person to look at.';
comment on column orderbell.payment_exception.kind is 'unknown_order, amount_differs, cancelled, refunded: the callback was refused; unknown_merchant: the order''s merchant_id names none';
comment on column orderbell.payment_exception.amount is 'what the gateway says was paid';
comment on column orderbell.payment_exception.transaction_id is 'the gateway''s own id of the payment';
