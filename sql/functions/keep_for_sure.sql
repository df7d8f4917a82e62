-- orderbell.keep_for_sure() - this transaction's commit is flushed, whatever the session risks with
-- its other writes: a gateway is told that what it said is kept, and will not say it again.
-- Touches: nothing but the transaction's settings.  Internal.
create or replace function orderbell.keep_for_sure() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	if current_setting('synchronous_commit') = 'off' then
		perform set_config('synchronous_commit', 'local', true);
	end if;
end $$;
comment on function orderbell.keep_for_sure() is
	'Internal: this transaction''s commit is flushed.';
