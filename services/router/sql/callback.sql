-- name: begin!
-- Where calling back begins when it is first switched on: at each log's end, or at its start.
insert into callback (shard, sequence)
select shard, case when :from_start::boolean then 0 else sequence end from head
on conflict (shard) do nothing;

-- name: positions
-- How far these shards were called back.
select shard, sequence from callback where shard = any(:shards::smallint[]);

-- name: orders_since
-- Each shard's next rows, a bounded number: where they end, and those among them that are about orders of 12345.
select since.shard, part.read_to, part.sequences, part.events
from unnest(:shards::smallint[], :sequences::bigint[]) as since (shard, sequence)
cross join lateral (
    select max(next.sequence) as read_to,
           array_agg(next.sequence order by next.sequence) filter (where next.is_order) as sequences,
           array_agg(next.event order by next.sequence) filter (where next.is_order) as events
    from (
        select log.sequence, log.event,
               convert_from(log.event, 'UTF8')::jsonb #>> '{data,source}' = :source::text as is_order
        from log where log.shard = since.shard and log.sequence > since.sequence
        order by log.sequence limit :most::integer
    ) as next
) as part
where part.read_to is not null;

-- name: remember!
-- So far these shards were called back; never back.
update callback set sequence = moved.sequence
from unnest(:shards::smallint[], :sequences::bigint[]) as moved (shard, sequence)
where callback.shard = moved.shard and callback.sequence < moved.sequence;

-- name: put_aside!
-- Put replies aside that 12345 would not take; one that comes again is the same.
insert into callback_failed (id, shard, sequence, case_id, type, fault, reason, attempts)
select * from unnest(
    :ids::uuid[], :shards::smallint[], :sequences::bigint[], :case_ids::uuid[], :types::text[], :faults::text[],
    :reasons::text[], :attempts::integer[]
)
on conflict (id) do nothing;

-- name: put_aside_so_far
-- What was put aside and is not sent yet, longest waiting first.
select id, case_id, type, fault, reason, attempts, put_aside_at from callback_failed
where sent_at is null order by put_aside_at, id limit :most::integer;

-- name: one_put_aside^
-- One reply that was put aside, with the event of the log that it follows from; none where that was redacted.
select failed.id, failed.sent_at, log.event
from callback_failed as failed left join log using (shard, sequence)
where failed.id = :id::uuid;

-- name: sent_after_all$
-- 12345 has taken what was put aside.
update callback_failed set sent_at = coalesce(sent_at, clock_timestamp()), attempts = attempts + 1
where id = :id::uuid returning sent_at;

-- name: failed_once_more!
-- 12345 still does not take what was put aside, and why.
update callback_failed set fault = :fault::text, reason = :reason::text, attempts = attempts + 1
where id = :id::uuid and sent_at is null;
