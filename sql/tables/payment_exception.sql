-- payment_exception - money that came and rang nowhere, for a person to look at.
create table if not exists orderbell.payment_exception (
	id             bigint generated always as identity primary key,
	created_at     timestamptz not null default clock_timestamp(),
	kind           text not null check (kind in ('unknown_order', 'amount_differs', 'cancelled',
	               'refunded', 'paid_twice', 'unknown_merchant', 'bad_template')),
	merchant_id    bigint,
	order_id       bigint,
	number         text,
	amount         numeric,
	gateway        text,
	transaction_id text,
	detail         text
);
-- A gateway repeats its callback until it is content: one row is enough.
do $$
begin
	if to_regclass('orderbell.payment_exception_once') is null then
		create unique index payment_exception_once on orderbell.payment_exception
			(kind, gateway, transaction_id, number) where transaction_id is not null;
	end if;
end $$;
comment on index orderbell.payment_exception_once is 'a callback that is repeated makes one row';
comment on table orderbell.payment_exception is
	'Money that came and rang nowhere: for a person to look at.';
comment on column orderbell.payment_exception.id is 'of the exception';
comment on column orderbell.payment_exception.created_at is 'when it was first noticed';
comment on column orderbell.payment_exception.kind is
	'unknown_order, amount_differs, cancelled, refunded: the order was not paid; '
	'paid_twice: it had been, by another payment; '
	'unknown_merchant: it was, but its merchant_id names none; '
	'bad_template: it was, and rang, but with another text';
comment on column orderbell.payment_exception.merchant_id is
	'that of the order, as far as it is known';
comment on column orderbell.payment_exception.order_id is 'the order, as far as it is known';
comment on column orderbell.payment_exception.number is 'the order number that was named';
comment on column orderbell.payment_exception.amount is 'what was paid, as far as it is known';
comment on column orderbell.payment_exception.gateway is
	'who said so, or the attached table; null: the order was updated by SQL';
comment on column orderbell.payment_exception.transaction_id is
	'the gateway''s own id of the payment; of bad_template: which text';
comment on column orderbell.payment_exception.detail is 'more, in words';
