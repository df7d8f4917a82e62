-- terminal - terminals that may connect by a token of their own.  The token itself is kept nowhere:
-- it is long and random, so its plain SHA-256 tells nobody anything.
create table if not exists orderbell.terminal (
	id          bigint generated always as identity primary key,
	merchant_id bigint not null references orderbell.merchant on delete cascade,
	name        text not null,
	token_hash  bytea not null,
	created_at  timestamptz not null default clock_timestamp(),
	revoked_at  timestamptz
);
do $$
begin
	if to_regclass('orderbell.terminal_name') is null then
		create unique index terminal_name
			on orderbell.terminal (merchant_id, name) where revoked_at is null;
	end if;
	if to_regclass('orderbell.terminal_merchant') is null then
		create index terminal_merchant on orderbell.terminal (merchant_id);
	end if;
end $$;
comment on index orderbell.terminal_name is 'of one name a merchant has one that may connect';
comment on index orderbell.terminal_merchant is
	'all of a merchant''s, the revoked ones too: notifiers look whether there is news of them';
comment on table orderbell.terminal is
	'Terminals that may connect by a token. Made by terminal_add(); a row that is deleted is revoked.';
comment on column orderbell.terminal.id is 'is part of the token';
comment on column orderbell.terminal.merchant_id is 'whose it is';
comment on column orderbell.terminal.name is 'acks are made by this name: [A-Za-z0-9._-]{1,64}';
comment on column orderbell.terminal.token_hash is 'SHA-256 of the whole text of its token';
comment on column orderbell.terminal.created_at is 'when it was added';
comment on column orderbell.terminal.revoked_at is 'since when it may not connect any more';
