-- orderbell.tell_acked(merchant_id, seqs, by) - tells the notifiers, on order_control, what has
-- been acked: {"acked":[3,4],"merchant":7,"by":"till-1"}.  A payload has room for 8000 bytes, so
-- many seqs go in several.
-- Touches: nothing.  Internal.
create or replace function orderbell.tell_acked(p_merchant_id bigint, p_seqs bigint[], p_by text)
	returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	c_seqs constant int := 300;
begin
	for i in 1 .. cardinality(p_seqs) by c_seqs loop
		perform pg_notify('order_control', json_build_object('acked', p_seqs[i : i + c_seqs - 1],
			'merchant', p_merchant_id, 'by', p_by)::text);
	end loop;
end $$;
comment on function orderbell.tell_acked(bigint, bigint[], text) is
	'Internal: tells the notifiers what has been acked.';
