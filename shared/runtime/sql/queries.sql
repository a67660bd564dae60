-- name: lock_heads
-- Lock these shards' heads until the transaction ends, in shard order so that no two can deadlock; with how far each of
-- these logs was consumed there, which version of these kinds of the set-up is in force, and a time at which all were
-- locked.
select * from lock_heads(:shards::smallint[], :logs::text[], :kinds::text[]);

-- name: now$
-- The database's clock, the only one that decides.
select clock_timestamp();

-- name: kept
-- What the doors remember of these requests.
select scope, id, fingerprint, answer::text as answer
from door join unnest(:scopes::text[], :ids::text[]) as wanted (scope, id) using (scope, id);

-- name: replayable
-- Which of these dead letters were not replayed yet; locked, so that two replays cannot both win.
select number from dead_letter where number = any(:numbers::bigint[]) and replayed_at is null for update;

-- name: write!
-- All that a batch leaves beside its states, in one statement: append rows, move the heads of the shards in which
-- something was saved, move the progress in other services' logs, remember requests at the doors. Any part may be empty.
-- Violates door_pkey if another transaction was first to remember a request.
with appended as (
    insert into log (shard, sequence, case_id, caseseq, event, digest, hash)
    select * from unnest(
        :shards::smallint[], :sequences::bigint[], :case_ids::uuid[], :caseseqs::integer[],
        :events::bytea[], :digests::bytea[], :hashes::bytea[]
    )
),
advanced as (
    insert into progress (log, shard, sequence)
    select * from unnest(:logs::text[], :log_shards::smallint[], :log_sequences::bigint[])
    on conflict (log, shard) do update set sequence = excluded.sequence
),
remembered as (
    insert into door (scope, id, fingerprint, answer, kept_until)
    select scope, id, fingerprint, answer::jsonb, clock_timestamp() + keep
    from unnest(:scopes::text[], :ids::text[], :fingerprints::text[], :answers::text[], :keeps::interval[])
        as new (scope, id, fingerprint, answer, keep)
)
update head
set sequence = moved.sequence, hash = moved.hash, published = greatest(head.published, moved.published),
    saves = head.saves + 1
from unnest(:head_shards::smallint[], :head_sequences::bigint[], :head_hashes::bytea[], :head_published::bigint[])
    as moved (shard, sequence, hash, published)
where head.shard = moved.shard;

-- name: forget_kept!
-- Forget requests whose time is over, a bounded number at once.
delete from door where (scope, id) in (
    select scope, id from door where kept_until < clock_timestamp() limit 10000
);

-- name: bury!
-- Write dead letters; the same message is buried once.
insert into dead_letter (topic, partition, "offset", kind, reason, event_id, case_id, value, headers)
select topic, partition, "offset", kind, reason, event_id, case_id, value, headers::jsonb
from unnest(
    :topics::text[], :partitions::integer[], :offsets::bigint[], :kinds::text[], :reasons::text[],
    :event_ids::text[], :case_ids::uuid[], :letters::bytea[], :headers::text[]
) as new (topic, partition, "offset", kind, reason, event_id, case_id, value, headers)
on conflict (topic, partition, "offset") do nothing;

-- name: mark_replayed!
-- Say that these dead letters had their effect.
update dead_letter set replayed_at = clock_timestamp() where number = any(:numbers::bigint[]);

-- name: load_states
-- The states of these cases.
select case_id, caseseq, state::text as state from state where case_id = any(:case_ids::uuid[]);

-- name: save_states!
-- Save states, new or changed.
insert into state (case_id, caseseq, state)
select case_id, caseseq, state::jsonb
from unnest(:case_ids::uuid[], :caseseqs::integer[], :states::text[]) as new (case_id, caseseq, state)
on conflict (case_id) do update set caseseq = excluded.caseseq, state = excluded.state;

-- name: claim$
-- Take a shard's relay if nobody holds it; held until released or the session ends.
select pg_try_advisory_lock(:service::integer, :shard::integer);

-- name: release$
-- Let go of a shard's relay.
select pg_advisory_unlock(:service::integer, :shard::integer);

-- name: head^
-- Where a shard's log ends.
select shard, sequence, hash, published from head where shard = :shard::smallint;

-- name: unpublished
-- Committed rows after a sequence, in order.
select shard, sequence, case_id, caseseq, event, digest, hash
from log where shard = :shard::smallint and sequence > :sequence::bigint order by sequence limit :most::integer;

-- name: mark_published!
-- Move forward how far shards are known to be published. Heads are locked in order of shard, as everywhere.
with locked as (
    select shard from head where shard = any(:shards::smallint[]) order by shard for update
)
update head set published = moved.published
from unnest(:shards::smallint[], :published::bigint[]) as moved (shard, published) join locked using (shard)
where head.shard = moved.shard and head.published < moved.published;

-- name: unpublished_letters
-- Dead letters their topic has not seen.
select number, topic, case_id, value, reason from dead_letter where not published order by number limit :most::integer;

-- name: mark_letters_published!
-- Say that these dead letters are on their topic.
update dead_letter set published = true where number = any(:numbers::bigint[]);

-- name: dead_letters
-- Dead letters, newest first, before a number.
select number, topic, partition, "offset", kind, reason, event_id, case_id, buried_at, replayed_at
from dead_letter where number < :before::bigint order by number desc limit :most::integer;

-- name: dead_letter^
-- One dead letter, whole.
select number, topic, partition, "offset", kind, reason, event_id, case_id, value, headers::text as headers,
       buried_at, replayed_at
from dead_letter where number = :number::bigint;

-- name: dead_letters_waiting$
-- How many dead letters wait for a person.
select count(*) from dead_letter where replayed_at is null;

-- name: history
-- One case's events in this log, in order.
select shard, sequence, case_id, caseseq, event, digest, hash from log where case_id = :case_id::uuid order by caseseq;

-- name: ask_redaction$
-- Ask that the words of a case be forgotten; its number.
insert into redaction (case_id, reason, basis, asked_by)
values (:case_id::uuid, :reason::text, :basis::text, :asked_by::text) returning number;

-- name: redaction^
-- One of them.
select number, case_id, reason, basis, asked_by, asked_at, approved_by, done_at
from redaction where number = :number::bigint;

-- name: redactions
-- All of them, newest first.
select number, case_id, reason, basis, asked_by, asked_at, approved_by, done_at from redaction order by number desc;

-- name: approve_redaction!
-- Somebody else approved it: it is carried out in this transaction.
update redaction set approved_by = :approved_by::text, done_at = clock_timestamp()
where number = :number::bigint and approved_by is null;

-- name: forget$
-- Let the bytes of these events of its case go; how many did.
select forget(:number::bigint, :sequences::bigint[]);

-- name: forget_letters!
-- Dead letters about a case keep why and where they came from, and lose what they said.
update dead_letter set value = null where case_id = :case_id::uuid and value is not null;
