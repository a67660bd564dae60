-- name: tuples
-- Rows written so far, by schema and table.
select schemaname as schema, relname as "table", n_tup_ins as inserted, n_tup_upd as updated, n_tup_del as deleted
from pg_stat_user_tables where schemaname = any(:schemas::text[]);

-- name: sizes
-- Bytes on disk by schema and table: with indexes, and without.
select n.nspname as schema, c.relname as "table", pg_total_relation_size(c.oid) as bytes,
       pg_table_size(c.oid) as heap
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname = any(:schemas::text[]);

-- name: commits$
-- Transactions committed so far in this database.
select xact_commit from pg_stat_database where datname = current_database();

-- name: syncs$
-- How often the log was brought to the disk.
select coalesce(sum(fsyncs), 0)::bigint from pg_stat_io where object = 'wal';

-- name: wal$
-- Bytes written to the log so far.
select wal_bytes::bigint from pg_stat_wal;

-- name: stages
-- How many cases stand in each stage.
select state ->> 'stage' as stage, count(*) as cases from router.state group by 1;

-- name: armed$
-- Deadlines that still run, of cases made by the load generator.
select count(*) from sla.deadline where state in ('armed', 'overdue') and ended_at is null;

-- name: unrated$
-- Reviews without a check, an answer, or a rating of every unit.
select count(*) from feedback.state
where jsonb_path_exists(state, '$.rounds[*] ? (@.check == null || @.answer == null || @.conclusion == null)')
   or not jsonb_path_exists(state, '$.rounds[*].ratings[*]');

-- name: typical_case$
-- A finished case that has as many events as most have.
with sizes as (select case_id, max(caseseq) as events from router.log group by case_id),
     usual as (select events from sizes group by events order by count(*) desc limit 1)
select case_id from sizes join usual using (events) join router.state using (case_id)
where state ->> 'stage' = 'archived' order by case_id desc limit 1;
