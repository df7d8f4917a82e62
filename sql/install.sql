-- install.sql - makes the schema orderbell, or brings it up to date: running it again changes nothing.
--   psql -v ON_ERROR_STOP=1 -d DATABASE -f sql/install.sql
-- Needs PostgreSQL 13 or newer, and the right to create a schema and roles.
\set ON_ERROR_STOP on
set client_min_messages = warning;
begin;
\ir roles.sql
\ir schema.sql
\ir tables/merchant.sql
\ir tables/stream.sql
\ir tables/orders.sql
\ir tables/order_event.sql
\ir tables/payment_exception.sql
\ir functions/timeline.sql
\ir functions/wire_epoch.sql
\ir functions/record_exception.sql
\ir functions/ring.sql
\ir functions/merchant_made.sql
\ir functions/number_events.sql
\ir functions/order_paid.sql
\ir functions/order_moved.sql
\ir functions/pay.sql
\ir functions/remind.sql
\ir functions/notify.sql
\ir functions/ack.sql
\ir functions/prune.sql
\ir functions/new_epoch.sql
\ir functions/renumber.sql
\ir functions/doctor.sql
\ir triggers.sql
\ir views/waiting.sql
\ir views/payment_exceptions.sql
\ir grants.sql
commit;
