-- orderbell.timeline() - the server's timeline, hexadecimal without leading zeros.
-- A promotion or a point-in-time restore changes it by itself.  Any role may ask, but not on a
-- standby: 55000 there.
create or replace function orderbell.timeline() returns text
language sql stable parallel safe set search_path = pg_catalog, pg_temp as $$
	select ltrim(left(pg_walfile_name(pg_current_wal_insert_lsn()), 8), '0')
$$;
comment on function orderbell.timeline() is
	'The server''s timeline: part of every epoch on the wire.';
