-- name: of_cases
-- Every deadline of these cases, oldest first.
select case_id, unit, obligation, generation, next_step, next_at, started_at, warn_at, due_at, fired_at, ended_at,
       state, granted, policy_version, cause, provisional, round, paused, paused_at, time_left, ladder_from, urgency,
       basis, calendar_version, counts_from, used_before, planned, raised_at, outrun, outrun_counts_from,
       outrun_due_at
from deadline where case_id = any(:case_ids::uuid[]) order by case_id, started_at, obligation, unit, generation;

-- name: save!
-- Save cases, new or changed; move those of which nothing changed but how many events they have; write deadlines, new or
-- changed. Any may be empty.
with saved as (
    insert into state (case_id, caseseq, state)
    select case_id, caseseq, state::jsonb
    from unnest(:saved_ids::uuid[], :saved_caseseqs::integer[], :saved::text[]) as new (case_id, caseseq, state)
    on conflict (case_id) do update set caseseq = excluded.caseseq, state = excluded.state
),
moved as (
    update state set caseseq = new.caseseq
    from unnest(:moved_ids::uuid[], :moved_caseseqs::integer[]) as new (case_id, caseseq)
    where state.case_id = new.case_id
)
insert into deadline (
    case_id, unit, obligation, generation, shard, next_step, next_at, started_at, warn_at, due_at, fired_at, ended_at,
    state, granted, policy_version, cause, provisional, round, paused, paused_at, time_left, ladder_from, urgency,
    basis, calendar_version, counts_from, used_before, planned, raised_at, outrun, outrun_counts_from,
    outrun_due_at
)
select * from unnest(
    :case_ids::uuid[], :units::text[], :obligations::text[], :generations::smallint[], :shards::smallint[],
    :next_steps::smallint[], :next_ats::timestamptz[], :started_ats::timestamptz[], :warn_ats::timestamptz[],
    :due_ats::timestamptz[], :fired_ats::timestamptz[], :ended_ats::timestamptz[],
    :states::text[], :granteds::text[], :policy_versions::text[], :causes::text[], :provisionals::boolean[],
    :rounds::smallint[], :pauseds::interval[], :paused_ats::timestamptz[], :time_lefts::interval[],
    :ladder_froms::timestamptz[], :urgencies::text[], :bases::text[], :calendar_versions::text[],
    :counts_froms::timestamptz[], :used_befores::interval[], :planneds::interval[], :raised_ats::timestamptz[],
    :outruns::text[], :outrun_counts_froms::timestamptz[], :outrun_due_ats::timestamptz[]
)
on conflict (case_id, unit, obligation, generation) do update set
    next_step = excluded.next_step, next_at = excluded.next_at, warn_at = excluded.warn_at, due_at = excluded.due_at,
    fired_at = excluded.fired_at, ended_at = excluded.ended_at, state = excluded.state, granted = excluded.granted,
    policy_version = excluded.policy_version, cause = excluded.cause, provisional = excluded.provisional,
    paused = excluded.paused, paused_at = excluded.paused_at, time_left = excluded.time_left,
    ladder_from = excluded.ladder_from, basis = excluded.basis, calendar_version = excluded.calendar_version,
    counts_from = excluded.counts_from, used_before = excluded.used_before, planned = excluded.planned,
    raised_at = excluded.raised_at, outrun = excluded.outrun, outrun_counts_from = excluded.outrun_counts_from,
    outrun_due_at = excluded.outrun_due_at;

-- name: take_out!
-- Take away the rows of deadlines that a successor has now, under its own name.
delete from deadline
using unnest(:case_ids::uuid[], :units::text[], :obligations::text[], :generations::smallint[])
    as gone (case_id, unit, obligation, generation)
where (deadline.case_id, deadline.unit, deadline.obligation, deadline.generation)
    = (gone.case_id, gone.unit, gone.obligation, gone.generation);

-- name: claim
-- What is due in these shards, the oldest first and only so much. Under the heads' locks nobody else can take it.
select oldest.*
from unnest(:shards::smallint[], :floors::timestamptz[]) as wanted (shard, floor)
cross join lateral (
    select * from deadline
    where deadline.shard = wanted.shard and next_at > wanted.floor and next_at <= :now::timestamptz
    order by next_at limit :most::integer
) as oldest
order by next_at limit :most::integer;

-- name: take_steps!
-- The one conditional update with which steps are taken: only what still waits for that step, and not before its time.
update deadline
set next_step = taken.next_step, next_at = taken.next_at, state = taken.state, fired_at = taken.fired_at
from unnest(
    :case_ids::uuid[], :units::text[], :obligations::text[], :generations::smallint[], :steps::smallint[],
    :next_steps::smallint[], :next_ats::timestamptz[], :states::text[], :fired_ats::timestamptz[]
) as taken (case_id, unit, obligation, generation, step, next_step, next_at, state, fired_at)
where (deadline.case_id, deadline.unit, deadline.obligation, deadline.generation)
    = (taken.case_id, taken.unit, taken.obligation, taken.generation)
  and deadline.next_step = taken.step and deadline.next_at <= :now::timestamptz
  and deadline.state in ('armed', 'overdue', 'paused');

-- name: put_off!
-- Leave steps for later that could not be taken, as far as they still wait.
update deadline set next_at = :until::timestamptz
from unnest(
    :case_ids::uuid[], :units::text[], :obligations::text[], :generations::smallint[], :steps::smallint[]
) as left_over (case_id, unit, obligation, generation, step)
where (deadline.case_id, deadline.unit, deadline.obligation, deadline.generation)
    = (left_over.case_id, left_over.unit, left_over.obligation, left_over.generation)
  and deadline.next_step = left_over.step and deadline.next_at <= :until::timestamptz;

-- name: look_ahead
-- When the next steps of these shards are due, after each shard's floor and until a time; the earliest ones.
select wanted.shard, next.next_at as at
from unnest(:shards::smallint[], :floors::timestamptz[]) as wanted (shard, floor)
cross join lateral (
    select next_at from deadline
    where deadline.shard = wanted.shard and next_at > wanted.floor and next_at <= :until::timestamptz
    order by next_at limit :most::integer
) as next
order by next_at limit :most::integer;

-- name: live
-- How many deadlines of these shards run, by obligation and state.
select obligation, state, count(*) as number from deadline
where shard = any(:shards::smallint[]) and ended_at is null and state in ('armed', 'overdue')
group by obligation, state order by obligation, state;

-- name: overdue
-- How many deadlines of these shards ran out and are still watched, by the rung of the ladder that they reached.
select next_step - 1 as rung, count(*) as number from deadline
where shard = any(:shards::smallint[]) and ended_at is null and state = 'overdue'
group by next_step order by next_step;
