-- Narrow, and apart from merchant: a payment locks this row for the length of its commit, so nothing
-- else may be written here, and editing a merchant blocks no payment.
create table if not exists orderbell.stream (
	merchant_id bigint primary key references orderbell.merchant on delete cascade,
	epoch       text not null default left(replace(gen_random_uuid()::text, '-', ''), 8)
	            check (epoch ~ '^[0-9a-f]{8}$'),
	seq         bigint not null default 0 check (seq >= 0),
	kept_from   bigint not null default 1
) with (fillfactor = 50);
comment on table orderbell.stream is 'Where each merchant''s events stand. Written by orderbell''s functions only.';
comment on column orderbell.stream.epoch is 'changes when seqs may repeat; on the wire with the server''s timeline: orderbell.wire_epoch()';
comment on column orderbell.stream.seq is 'the last seq given';
comment on column orderbell.stream.kept_from is 'below it events may have been pruned';
