-- notifier - the notifiers that run, and until when each is believed to.
-- UNLOGGED, like presence: a crash of the server empties both, a promoted standby begins with both
-- empty, and the notifiers then tell all of it anew.  On a standby they cannot be read.
create unlogged table if not exists orderbell.notifier (
	id          text primary key,
	name        text not null,
	version     text not null,
	mode        text not null check (mode in ('listen', 'poll')),
	started_at  timestamptz not null default clock_timestamp(),
	lease_until timestamptz not null,
	clock_ahead interval
) with (fillfactor = 50);
comment on table orderbell.notifier is
	'Notifiers that run: each renews its lease every few seconds. A hint, lost in a crash.';
comment on column orderbell.notifier.id is 'of one run of the program';
comment on column orderbell.notifier.name is 'for people: where it listens';
comment on column orderbell.notifier.version is 'of the program';
comment on column orderbell.notifier.mode is
	'listen: hears the bell; poll: a pooler keeps it from that, it asks every second';
comment on column orderbell.notifier.started_at is 'when it was heard of first';
comment on column orderbell.notifier.lease_until is 'after that it counts as gone';
comment on column orderbell.notifier.clock_ahead is
	'its clock against the server''s, at its last beat; null: not told';
