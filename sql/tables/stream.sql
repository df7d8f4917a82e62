-- stream - where each merchant's events stand.  Narrow, and apart from merchant: a payment locks
-- this row for the length of its commit, so nothing else may be written here, and editing a
-- merchant blocks no payment.  No CHECK either: each one costs every payment 2 us, and only our
-- functions write here.  Half of each page is kept free, so that a new seq stays on its page and
-- the whole table a few pages: the notifiers read it every second.
create table if not exists orderbell.stream (
	merchant_id bigint primary key references orderbell.merchant on delete cascade,
	epoch       text not null default left(gen_random_uuid()::text, 8),
	seq         bigint not null default 0,
	kept_from   bigint not null default 1
) with (fillfactor = 50);
comment on table orderbell.stream is
	'Where each merchant''s events stand. Written by orderbell''s functions only.';
comment on column orderbell.stream.merchant_id is 'whose events';
comment on column orderbell.stream.epoch is
	'changes when seqs may repeat; on the wire with the server''s timeline: orderbell.wire_epoch()';
comment on column orderbell.stream.seq is 'the last seq given';
comment on column orderbell.stream.kept_from is 'events below it may have been pruned';
