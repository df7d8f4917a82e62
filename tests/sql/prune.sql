-- prune(), new_epoch() and wire_epoch(): what becomes of old events, and of seqs.
\unset ON_ERROR_ROLLBACK
select plan(24);
-- prune() is for all merchants: those of other tests must not be there.
delete from orderbell.order_event;
select test.merchant() as m, test.merchant() as n \gset
select test.open('a') as a_pid \gset
select test.listen('ear');
create function test.age(p_merchant bigint, p_seqs bigint[], p_by interval) returns void language sql as $$
	update orderbell.order_event set created_at = created_at - p_by, acked_at = acked_at - p_by
	where merchant_id = p_merchant and seq = any (p_seqs)
$$;
select test.paid(:m) from generate_series(1, 10);
select test.paid(:n) from generate_series(1, 2);
select orderbell.ack(:m, array[1, 2, 4, 5, 9], 'till');
select test.age(:m, array[1, 2, 3, 4, 6], '10 days');
select is(orderbell.prune('7 days', '30 days'), 3::bigint, 'prune() forgets what was acked long ago');
select is((select array_agg(seq order by seq) from orderbell.order_event where merchant_id = :m), array[3, 5, 6, 7, 8, 9, 10]::bigint[],
	'and nothing else: what was acked just now stays, and what was not');
select is((select (seq, kept_from)::text from orderbell.stream where merchant_id = :m), '(10,5)', 'the stream says from where on all is kept');
select is((select (seq, kept_from)::text from orderbell.stream where merchant_id = :n), '(2,1)', 'other streams are left alone');
select is(orderbell.prune('7 days', '30 days'), 0::bigint, 'again there is nothing to do');
select is(orderbell.prune('0', '30 days'), 2::bigint, 'with no time to keep all that is acked goes');
select is((select array_agg(seq order by seq) from orderbell.order_event where merchant_id = :m), array[3, 6, 7, 8, 10]::bigint[],
	'but what is not acked is never touched');
select is((select count(*) from orderbell.waiting where merchant_id = :m), 5::bigint, 'and waits');
select test.paid(:m);
select is((select max(seq) from orderbell.order_event where merchant_id = :m), 11::bigint, 'seqs go on');

select test.age(:m, array[3], '31 days');
select test.heard('ear');
select is(orderbell.prune('7 days', '30 days'), 1::bigint, 'what nobody acked for a month expires');
select is((select acked_by from orderbell.order_event where merchant_id = :m and seq = 3), 'expired', 'that is: is acked');
select is((select count(*) from test.heard('ear') h where h like 'order_alerts%expired%' or h like 'order_control%expired%'), 2::bigint,
	'with an alert, and word to the notifiers');
select test.age(:m, array[3], '8 days');
select is(orderbell.prune('7 days', '30 days'), 1::bigint, 'and is forgotten a week later');
select is((select kept_from from orderbell.stream where merchant_id = :m), 10::bigint, 'which takes nothing back');

select orderbell.ack(:m, array[6, 7, 8, 10, 11], 'till');
select is(orderbell.prune('0', p_batch => 2), 2::bigint, 'it does no more at a time than it is told');
select is(orderbell.prune('0', p_batch => 2) + orderbell.prune('0', p_batch => 2), 3::bigint, 'and the rest when called again');
select is((select (seq, kept_from)::text from orderbell.stream where merchant_id = :m), '(11,12)', 'an empty stream knows where it stands');
select test.try('a', 'begin', format('select test.paid(%s)', :m));
select is(orderbell.prune('0'), 0::bigint, 'an event that is not committed is nobody''s to forget');
select test.try('a', 'commit');
select is((select (count(*), max(seq))::text from orderbell.order_event where merchant_id = :m), '(1,12)', 'and gets its seq');

-- Epochs
select epoch from orderbell.stream where merchant_id = :m \gset
select is(orderbell.wire_epoch(:'epoch'), :'epoch' || '-1', 'the epoch on the wire is the stream''s and the timeline');
select test.heard('ear');
select is(orderbell.new_epoch(:m), 1::bigint, 'new_epoch() changes one stream');
select ok((select epoch <> :'epoch' and epoch ~ '^[0-9a-f]{8}$' and seq = 12 from orderbell.stream where merchant_id = :m), 'its epoch, not its seq');
select is((select count(*) from test.heard('ear') h where h like format('order_control%%"merchant" : %s}', :m)), 1::bigint, 'and tells the notifiers');
update orderbell.stream set seq = 0 where merchant_id in (:m, :n);
select orderbell.new_epoch();
select is((select array_agg(seq order by merchant_id) from orderbell.stream where merchant_id in (:m, :n)), array[12, 2]::bigint[],
	'streams that were restored from too long ago are taken up to their events');
select test.close('a'), test.close('ear');
select * from finish();
