-- upgrade.sql - what an older schema lacks before the files of this one can be run over it: the
-- steps of upgrade/ from the version that is there up to this one.  A part of install.sql; the
-- extension has scripts of its own, made of the same steps.
-- A step that was released is never edited.
select coalesce((select substring(p.prosrc from '[0-9]+[.][0-9]+[.][0-9]+')
		from pg_catalog.pg_proc p
		where p.oid = to_regprocedure('orderbell.version()')),
	case when to_regclass('orderbell.order_event') is null then 'none' else '0.1.0' end)
	as orderbell_was \gset
select set_config('orderbell.was', :'orderbell_was', true) as was \gset
do $$
begin
	if current_setting('orderbell.was') not in ('none', '0.1.0', '0.2.0') then
		raise 'the schema orderbell here is of %, these files are older',
			current_setting('orderbell.was') using errcode = 'feature_not_supported';
	end if;
	if exists (select from pg_catalog.pg_extension e where e.extname = 'orderbell') then
		raise 'orderbell is an extension in this database: alter extension orderbell update'
			using errcode = 'object_not_in_prerequisite_state';
	end if;
end $$;

select :'orderbell_was' in ('0.1.0') as orderbell_step \gset
\if :orderbell_step
\ir upgrade/0.1.0--0.2.0.sql
\endif
