-- name: template_waits$
-- How many deadlines the case that the others are copied from has.
select count(*) from deadline where case_id = :case_id::uuid;

-- name: columns$
-- The names of a table's columns, but for those that are given.
select string_agg(quote_ident(column_name), ', ' order by ordinal_position)
from information_schema.columns
where table_schema = current_schema() and table_name = :table and column_name <> all(:but::text[]);

-- name: now$
-- The database's clock.
select clock_timestamp();

-- name: version$
-- What serves.
select current_setting('server_version');

-- name: appended$
-- How many rows all the shards' logs have.
select sum(sequence)::bigint from head;

-- name: untaken$
-- How many of these cases still wait for their step.
select count(*) from deadline
where case_id between :first::uuid and :last::uuid and obligation = :obligation and next_step = 0;

-- name: stated
-- What the log says of these cases, in order within each shard.
select shard, sequence, case_id, event from log
where case_id between :first::uuid and :last::uuid order by shard, sequence;
