-- name: keyed_by_case
-- Every table of these schemas with a column of the case, and its columns in order; generated ones are left out.
select c.table_schema as schema, c.table_name as "table",
       array_agg(c.column_name::text order by c.ordinal_position) filter (
           where c.is_generated = 'NEVER' and c.is_identity = 'NO'
       ) as columns
from information_schema.columns as c join information_schema.tables as t using (table_schema, table_name)
where t.table_type = 'BASE TABLE' and c.table_schema = any(:schemas::text[])
group by c.table_schema, c.table_name
having bool_or(c.column_name = 'case_id') and c.table_name not in ('dead_letter', 'callback_failed')
order by 1, 2;

-- name: template^
-- The finished case that is copied: its id, its number and its name at its source.
select case_id, number, state #>> '{matter,source_ref}' as source_ref from router.state
where stage = 'archived' order by case_id limit 1;

-- name: events$
-- How many events the case has in the log.
select max(caseseq) from log where case_id = :case_id::uuid;
