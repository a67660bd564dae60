-- name: behind
-- Which of these shards' logs have rows that were not read for notices yet.
select shard from head join notice_cursor as cursor using (shard)
where shard = any(:shards::smallint[]) and head.sequence > cursor.sequence;

-- name: take_cursors
-- How far these logs were read; locked until the transaction ends, but for those that somebody else is reading.
select shard, sequence from notice_cursor where shard = any(:shards::smallint[]) order by shard for update skip locked;

-- name: rows_after
-- The next rows of each of these logs, in order. A shard's rows become visible in order of their sequence.
select row.shard, row.sequence, row.case_id, row.event
from unnest(:shards::smallint[], :sequences::bigint[]) as read (shard, sequence)
cross join lateral (
    select shard, sequence, case_id, event from log
    where log.shard = read.shard and log.sequence > read.sequence order by log.sequence limit :most::integer
) as row
order by row.shard, row.sequence;

-- name: about_cases
-- What people know these cases by, and how urgent they are.
select case_id, state ->> 'number' as number, state ->> 'urgency' as urgency
from state where case_id = any(:case_ids::uuid[]);

-- name: move_cursors!
-- These logs were read so far.
update notice_cursor as cursor set sequence = read.sequence
from unnest(:shards::smallint[], :sequences::bigint[]) as read (shard, sequence)
where cursor.shard = read.shard;

-- name: lock_mailboxes
-- These recipients' mailboxes, made where there was none; locked in order, so that no two can deadlock.
insert into mailbox (unit, post)
select unit, post from unnest(:units::text[], :posts::text[]) as wanted (unit, post) order by unit, post
on conflict (unit, post) do update set unit = excluded.unit
returning unit, post, released_at, release_at;

-- name: note!
-- Note entries; they wait.
insert into notice (
    unit, post, case_id, case_number, owed_by, obligation, generation, step, urgency, due_at, stated_at, changes, noted_at
)
select unit, post, case_id, case_number, owed_by, obligation, generation, step, urgency, due_at, stated_at,
       string_to_array(changes, ','), :noted_at::timestamptz
from unnest(
    :units::text[], :posts::text[], :case_ids::uuid[], :case_numbers::text[], :owed_bys::text[], :obligations::text[],
    :generations::smallint[], :steps::smallint[], :urgencies::text[], :due_ats::timestamptz[],
    :stated_ats::timestamptz[], :changes::text[]
) as new (
    unit, post, case_id, case_number, owed_by, obligation, generation, step, urgency, due_at, stated_at, changes
);

-- name: schedule!
-- When these recipients are to be told next, and when they last were.
update mailbox set released_at = new.released_at, release_at = new.release_at
from unnest(:units::text[], :posts::text[], :released_ats::timestamptz[], :release_ats::timestamptz[])
    as new (unit, post, released_at, release_at)
where (mailbox.unit, mailbox.post) = (new.unit, new.post);

-- name: take_due
-- Recipients who are to be told now, the longest waiting first; locked, but for those whom somebody else is telling.
select unit, post, released_at from mailbox where release_at <= :now::timestamptz
order by release_at limit :most::integer for update skip locked;

-- name: waiting
-- What a recipient was not told of yet, in order, and how each deadline stands by now.
select notice.number, notice.case_id, notice.case_number, notice.owed_by, notice.obligation, notice.generation,
       notice.step, notice.urgency, notice.due_at, notice.stated_at, notice.changes, notice.noted_at,
       case when deadline.ended_at is not null then 'over' when deadline.fired_at is not null then 'red'
            else 'running' end as standing
from notice left join deadline
    on (deadline.case_id, deadline.unit, deadline.obligation, deadline.generation)
     = (notice.case_id, notice.owed_by, notice.obligation, notice.generation)
where notice.unit = :unit and notice.post = :post and notice.fate is null
order by notice.number limit :most::integer;

-- name: readdress!
-- What waits for a unit that is gone waits for its successor.
update notice set unit = :heir where unit = :unit and post = :post and fate is null;

-- name: last_numbers$
-- Take so many numbers for digests and return the last; nobody else gets any until this transaction ends.
update digest_head set last = last + :most::integer returning last;

-- name: tell!
-- Write digests.
insert into digest (number, unit, post, released_at, content)
select number, unit, post, :now::timestamptz, content::jsonb
from unnest(:numbers::bigint[], :units::text[], :posts::text[], :contents::text[]) as new (number, unit, post, content);

-- name: settle!
-- What became of these entries.
update notice set fate = settled.fate, digest = settled.digest, decided_at = :now::timestamptz
from unnest(:numbers::bigint[], :fates::text[], :digests::bigint[]) as settled (number, fate, digest)
where notice.number = settled.number and notice.fate is null;

-- name: backlog^
-- How many entries wait, and since when the oldest of them.
select count(*) as number, clock_timestamp() - min(noted_at) as age from notice where fate is null;

-- name: forget_notices!
-- Forget entries that were settled long ago, a bounded number at once.
delete from notice where number in (
    select number from notice where fate is not null and decided_at < clock_timestamp() - :keep::interval limit 10000
);

-- name: forget_digests!
-- Forget digests of long ago, a bounded number at once.
delete from digest where number in (
    select number from digest where released_at < clock_timestamp() - :keep::interval limit 10000
);

-- name: of_unit
-- What a unit was told, newest first, before a number.
select number, unit, post, released_at, content, (
    select coalesce(jsonb_agg(jsonb_build_object('person', person, 'at', read_at) order by read_at, person), '[]')
    from digest_read where digest_read.number = digest.number
) as read_by
from digest where unit = :unit and number < :before::bigint order by number desc limit :most::integer;

-- name: after
-- What anybody was told after a number, in order.
select number, unit, post, released_at, content, (
    select coalesce(jsonb_agg(jsonb_build_object('person', person, 'at', read_at) order by read_at, person), '[]')
    from digest_read where digest_read.number = digest.number
) as read_by
from digest where number > :after::bigint order by number limit :most::integer;

-- name: last_number$
-- The number of the last digest there was.
select last from digest_head;

-- name: unit_told$
-- Whom a digest was for; null where there is none of that number.
select unit from digest where number = :number::bigint;

-- name: mark_read$
-- A person has read a digest; who read it before, keeps the time.
insert into digest_read (number, person, read_at) values (:number, :person, clock_timestamp())
on conflict (number, person) do update set person = excluded.person
returning read_at;
