-- name: unpublished^
-- Rows not known to be published, and how old the oldest of them is by this clock. `positions`: how far this process
-- has published itself, which the heads learn later. The heads are twelve rows; what is looked at of the log is one row
-- a shard, found by its primary key, however many there are.
select coalesce(sum(greatest(head.sequence - known.position, 0)), 0)::bigint as number,
       coalesce(max(extract(epoch from clock_timestamp() - oldest.stated)), 0)::double precision as age
from head
join unnest(:shards::smallint[], :positions::bigint[]) as own (shard, position) using (shard)
cross join lateral (select greatest(head.published, own.position) as position) as known
left join lateral (
    select (convert_from(log.event, 'UTF8')::jsonb ->> 'time')::timestamptz as stated from log
    where log.shard = head.shard and log.sequence > known.position and log.event is not null
    order by log.sequence limit 1
) as oldest on true;

-- name: dead_letters_waiting
-- Dead letters that were not replayed, by kind; from the index of those alone.
select kind, count(*) as number from dead_letter where replayed_at is null group by kind;

-- name: oldest_transaction$
-- How many seconds the oldest transaction of the database is open.
select oldest_transaction();

-- name: sizes
-- What each table of the schema takes with its indexes and its long values; reads the sizes of files, no rows.
select relname as name, pg_total_relation_size(oid) as bytes from pg_class
where relnamespace = current_schema()::regnamespace and relkind = 'r';
