-- orderbell.quiet_by() - with orderbell.quiet = on: by whom events are acked as they are numbered,
-- for without that the notifiers' poll would find and deliver them.  Null otherwise.
-- Touches: nothing.
-- Internal: the search_path is its caller's; to set it again would cost every payment 3 us.
create or replace function orderbell.quiet_by() returns text
language plpgsql stable as $$
begin
	return case when lower(current_setting('orderbell.quiet', true)) in ('on', 'true', 'yes', '1')
		then 'quiet' end;
end $$;
comment on function orderbell.quiet_by() is 'Internal: who acks what is imported quietly.';
