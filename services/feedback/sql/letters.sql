-- name: stated_since
-- Each shard's next rows, a bounded number: where they end, how many they are, and those of these types.
select since.shard, part.read_to, part.rows_read, part.events
from unnest(:shards::smallint[], :sequences::bigint[]) as since (shard, sequence)
cross join lateral (
    select max(next.sequence) as read_to, count(*) as rows_read,
           array_agg(next.event order by next.sequence) filter (where next.tells) as events
    from (
        select log.sequence, log.event, convert_from(log.event, 'UTF8')::jsonb ->> 'type' = any(:types::text[]) as tells
        from log where log.shard = since.shard and log.sequence > since.sequence
        order by log.sequence limit :most::integer
    ) as next
) as part
where part.read_to is not null;

-- name: ends
-- Where each shard's log ends.
select shard, sequence from head;

-- name: reviews_of
-- These cases' reviews as they are.
select case_id, state::text as state from state where case_id = any(:case_ids::uuid[]);

-- name: now$
-- The database's clock, the only one that decides.
select clock_timestamp();
