-- install.sql - makes the schema orderbell.  Running it again changes nothing.
--   psql -v ON_ERROR_STOP=1 -d DATABASE -f sql/install.sql
-- Needs PostgreSQL 13 or newer, a database in UTF8, the right to make a schema there and, where the
-- three roles are not there yet, to make roles.  All of it or nothing: it is one transaction.
-- Who runs it owns it, and the functions act with his rights.
\set ON_ERROR_STOP on
\encoding UTF8
begin;
set local client_min_messages = warning;
\ir upgrade.sql
\ir roles.sql
\ir schema.sql
\ir tables/merchant.sql
\ir tables/stream.sql
\ir tables/orders.sql
\ir tables/order_event.sql
\ir tables/payment_exception.sql
\ir tables/delivery.sql
\ir tables/alert.sql
\ir tables/escalation.sql
\ir tables/notifier.sql
\ir tables/presence.sql
\ir tables/terminal.sql
\ir tables/template.sql
\ir tables/payment_callback.sql
\ir functions/version.sql
\ir functions/timeline.sql
\ir functions/wire_epoch.sql
\ir functions/quiet_by.sql
\ir functions/is_restored.sql
\ir functions/may_ring.sql
\ir functions/alert_payment.sql
\ir functions/keep_for_sure.sql
\ir functions/record_exception.sql
\ir functions/record_callback.sql
\ir functions/tell_acked.sql
\ir functions/bar_prepare.sql
\ir functions/announce.sql
\ir functions/number_own.sql
\ir functions/number_events.sql
\ir functions/merchant_made.sql
\ir functions/cut.sql
\ir functions/item_of.sql
\ir functions/items_of.sql
\ir functions/details.sql
\ir functions/order_told.sql
\ir functions/order_paid.sql
\ir functions/ack_moved.sql
\ir functions/order_moved.sql
\ir functions/placeholders.sql
\ir functions/fill.sql
\ir functions/picks.sql
\ir functions/template_for.sql
\ir functions/read_items.sql
\ir functions/attached_ring.sql
\ir functions/attached_moved.sql
\ir functions/ring.sql
\ir functions/ring_all.sql
\ir functions/pay.sql
\ir functions/note_callback.sql
\ir functions/remind.sql
\ir functions/notify.sql
\ir functions/ack.sql
\ir functions/prune.sql
\ir functions/prune_callbacks.sql
\ir functions/new_epoch.sql
\ir functions/renumber.sql
\ir functions/terminal_gone.sql
\ir functions/terminal_add.sql
\ir functions/terminal_revoke.sql
\ir functions/forget_lost.sql
\ir functions/notifier_beat.sql
\ir functions/notifier_gone.sql
\ir functions/tell_presence.sql
\ir functions/forget_presence.sql
\ir functions/tell_delivered.sql
\ir functions/raise_alerts.sql
\ir functions/escalate.sql
\ir functions/attachable.sql
\ir functions/has_columns.sql
\ir functions/has_value.sql
\ir functions/items_kind.sql
\ir functions/drop_attached.sql
\ir functions/attach.sql
\ir functions/detach.sql
\ir triggers.sql
\ir views/terminals_online.sql
\ir views/terminals.sql
\ir views/waiting.sql
\ir views/alerts.sql
\ir views/attachments.sql
\ir views/payment_exceptions.sql
\ir views/callbacks.sql
\ir functions/doctor.sql
\ir grants.sql
commit;
