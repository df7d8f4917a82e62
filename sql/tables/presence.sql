-- presence - which terminals are connected, and where.  A hint: told in batches about once a
-- second, and believed only while its notifier's lease holds (view terminals_online).
-- Connections are bounded by the notifier; terminals that poll have the names that they choose: of
-- these it keeps those of two minutes, and of a merchant 1000 (notifier_beat, tell_presence).
-- Part of each page is kept free, so that a row that is told again stays on its page.
create unlogged table if not exists orderbell.presence (
	notifier_id text,
	connection  bigint,
	merchant_id bigint not null,
	terminal    text not null,
	kind        text not null check (kind in ('v1', 'plain', 'sse', 'poll')),
	audio       text not null check (audio in ('armed', 'blocked', 'unknown')),
	since       timestamptz not null,
	seen_at     timestamptz not null,
	primary key (notifier_id, connection)
) with (fillfactor = 70);
do $$
begin
	if to_regclass('orderbell.presence_merchant') is null then
		create index presence_merchant on orderbell.presence (merchant_id, notifier_id);
	end if;
end $$;
comment on index orderbell.presence_merchant is
	'whether a merchant can be reached, and what polls at a notifier';
comment on table orderbell.presence is
	'Connections of terminals as the notifiers tell them: see terminals_online. Lost in a crash.';
comment on column orderbell.presence.notifier_id is 'the notifier it is connected to';
comment on column orderbell.presence.connection is
	'that notifier''s number of the connection; it may be used again';
comment on column orderbell.presence.merchant_id is 'whose terminal it is';
comment on column orderbell.presence.terminal is 'its name';
comment on column orderbell.presence.kind is 'v1, plain (WebSockets), sse or poll';
comment on column orderbell.presence.audio is 'whether it can be heard: armed, blocked or unknown';
comment on column orderbell.presence.since is 'connected since';
comment on column orderbell.presence.seen_at is 'told at; a terminal that polls is told each time';
