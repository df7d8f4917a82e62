-- Terminals with a token of their own: adding, revoking, and what is kept of them.
\unset ON_ERROR_ROLLBACK
select plan(36);
truncate orderbell.notifier, orderbell.presence;
select test.merchant() as m, test.merchant() as n \gset
select test.open('a') as a_pid, test.open('b') as b_pid \gset
select test.listen('ear');

select * from orderbell.terminal_add(:m, 'till-1') \gset
select ok(:'token' ~ format('^obt_%s_[A-Za-z0-9_-]{43}$', :terminal_id), 'a terminal has a token of 32 random bytes, with its id');
select is(:'link'::text, '/console/#token=' || :'token', 'the link has it behind the #');
select is((select (merchant_id, name, token_hash, revoked_at)::text from orderbell.terminal where id = :terminal_id),
	(select (:m::bigint, 'till-1'::text, sha256(:'token'::bytea), null::timestamptz)::text), 'its hash is kept');
select is_empty(format($$ select t from orderbell.terminal t where t::text like '%%%s%%' $$, substr(:'token', 10)), 'the token is not');
select terminal_id as second, token as second_token from orderbell.terminal_add(:m, 'till-2') \gset
select isnt(right(:'second_token', 43), right(:'token', 43), 'each has another one');
select is((select count(distinct right(t.token, 43)) from generate_series(1, 200) g, orderbell.terminal_add(:n, 't' || g) t), 200::bigint,
	'all of them');

-- The link
select is((select link from orderbell.terminal_add(:m, 'l1', 'https://shop.example/console/')) ~ '^https://shop.example/console/#token=obt_', true,
	'the page''s address may be given');
set orderbell.console_url = 'https://other.example/c/';
select is((select link from orderbell.terminal_add(:m, 'l2')) ~ '^https://other.example/c/#token=obt_', true, 'or be a setting');
set orderbell.console_url = '';
select is((select link from orderbell.terminal_add(:m, 'l3')) ~ '^/console/#token=obt_', true, 'an empty one is none');
reset orderbell.console_url;
select throws_ok(format('select orderbell.terminal_add(%s, ''l4'', ''https://x.example/#/y'')', :m), '22023', null,
	'one with a # would not carry the token');
select is_empty($$ select t from orderbell.terminal t where t.name = 'l4' $$, 'and makes no terminal');

-- Refused
select throws_ok('select orderbell.terminal_add(-1, ''till-1'')', 'OB404', null, 'no such merchant');
select throws_ok('select orderbell.terminal_add(null, ''till-1'')', 'OB404', null, 'or none');
select throws_ok(format('select orderbell.terminal_add(%s, ''till-1'')', :m), 'OB409', null, 'a name is taken');
select lives_ok(format('select orderbell.terminal_add(%s, ''till-1'')', :n), 'but another merchant may have it');
select throws_ok(format('select orderbell.terminal_add(%s, %L)', :m, bad), '22023', null, 'no name: ' || coalesce(quote_literal(translate(left(bad, 12), E'\n', '~')), 'null'))
from unnest(array['', 'a b', 'käse', 'a/b', repeat('x', 65), E'till\n', null]) as bad;
select lives_ok(format('select orderbell.terminal_add(%s, repeat(''x'', 64))', :m), '64 characters are');
select test.try('a', 'begin', format('select orderbell.terminal_add(%s, ''twice'')::text', :m));
select test.start('b', format('select orderbell.terminal_add(%s, ''twice'')::text', :m));
select test.until_it_waits(:b_pid), test.try('a', 'commit');
select is(test.finish('b'), 'OB409', 'of two at the same time one gets the name');

-- Revoking
select test.heard('ear');
select is(orderbell.terminal_revoke(:m, 'till-1'), true, 'a terminal is revoked');
select is((select array_agg(regexp_replace(h, '\s*([:,])\s*', '\1', 'g')) from test.heard('ear') h),
	array[format('order_control {"revoked":%s,"merchant":%s}', :terminal_id, :m)], 'and the notifiers are told');
select ok((select revoked_at <= clock_timestamp() from orderbell.terminal where id = :terminal_id), 'when is kept');
select is(orderbell.terminal_revoke(:m, 'till-1') or orderbell.terminal_revoke(:m, 'nobody') or orderbell.terminal_revoke(-1, 'till-2'), false,
	'one that is not there, or is not any more, is not');
select is_empty($$ select test.heard('ear') $$, 'and tells nothing');
select terminal_id as third from orderbell.terminal_add(:m, 'till-1') \gset
select is((select array_agg(id order by id) from orderbell.terminals where merchant_id = :m and name = 'till-1'), array[:terminal_id, :third]::bigint[],
	'the name is free again');

-- The view
select orderbell.notifier_beat('n1', 'one', '0.1', 'listen');
select orderbell.tell_presence('n1', '{1}', array[:m]::bigint[], '{till-1}', '{v1}', '{armed}', '{now}', '{}');
select is((select string_agg(name || case when revoked_at is null then '' else ' revoked' end || case when is_online then ' online' else '' end, ', '
		order by name, id) from orderbell.terminals where merchant_id = :m and name like 'till%'), 'till-1 revoked, till-1 online, till-2',
	'the view says which are revoked, and which online');
select is((select count(*) from pg_attribute where attrelid = 'orderbell.terminals'::regclass and attname like '%hash%'), 0::bigint, 'but no hash');
select test.heard('ear');
update orderbell.terminal set revoked_at = clock_timestamp() where id = :third;
select is((select array_agg(regexp_replace(h, '\s*([:,])\s*', '\1', 'g')) from test.heard('ear') h),
	array[format('order_control {"revoked":%s,"merchant":%s}', :third, :m)], 'one that is revoked by hand is told');
update orderbell.terminal set name = 'old' where id = :third;
delete from orderbell.terminal where id = :third;
select is_empty($$ select test.heard('ear') $$, 'what happens to a row after that is not');
select id as fourth from orderbell.terminal where merchant_id = :m and name = 'till-2' \gset
delete from orderbell.merchant where id = :m;
select ok(format('order_control {"revoked":%s,"merchant":%s}', :fourth, :m)
	in (select regexp_replace(h, '\s*([:,])\s*', '\1', 'g') from test.heard('ear') h), 'one that is deleted, as with its merchant, is');
select is((select count(*) from orderbell.terminal where merchant_id = :m), 0::bigint, 'with a merchant go its terminals');

select test.close('a'), test.close('b'), test.close('ear');
truncate orderbell.notifier, orderbell.presence;
select * from finish();
