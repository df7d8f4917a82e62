-- orderbell.bar_prepare() - makes PREPARE TRANSACTION refuse this transaction.
-- Returns false where it could not, so that the caller must NOTIFY, which does the same.
--
-- A prepared transaction would keep its merchants' stream rows locked, and so stop their payments,
-- until somebody ends it; and nobody would ring.  PREPARE refuses a transaction with a NOTIFY in
-- it, but NOTIFY takes a lock of the whole cluster.  What else it refuses, and what that costs a
-- transaction (measured, CPU): a temporary relation was locked 5 us, a cursor WITH HOLD 25 us, an
-- exported snapshot 75 us.  So: a temporary view, made once in a session; it has no storage, and
-- holds no transaction id back as a table would.  LOCK runs nothing of a relation, so it may be
-- used on one that the session's user could have put there.
-- The caller asks only where max_prepared_transactions is not 0: by default it is, and nothing can
-- be prepared.
-- Touches: the session's temporary schema.
-- Internal: the search_path is its caller's; to set it again would cost every payment 3 us.
create or replace function orderbell.bar_prepare() returns boolean
language plpgsql as $$
begin
	if to_regclass('pg_temp.orderbell_unpreparable') is null then
		if not has_database_privilege(current_database(), 'temporary') then
			return false;
		end if;
		create temporary view orderbell_unpreparable as select;
	end if;
	lock table pg_temp.orderbell_unpreparable in access share mode;
	return true;
end $$;
comment on function orderbell.bar_prepare() is
	'Internal: makes PREPARE TRANSACTION refuse this transaction.';
