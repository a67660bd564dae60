-- name: of_cases
-- Every deadline of these cases, oldest first.
select case_id, unit, obligation, generation, next_step, next_at, started_at, warn_at, due_at, fired_at, ended_at,
       state, granted, policy_version, cause, provisional, round, paused, paused_at, time_left, ladder_from
from deadline where case_id = any(:case_ids::uuid[]) order by case_id, started_at, obligation, unit, generation;

-- name: save!
-- Write deadlines, new or changed.
insert into deadline (
    case_id, unit, obligation, generation, shard, next_step, next_at, started_at, warn_at, due_at, fired_at, ended_at,
    state, granted, policy_version, cause, provisional, round, paused, paused_at, time_left, ladder_from
)
select * from unnest(
    :case_ids::uuid[], :units::text[], :obligations::text[], :generations::smallint[], :shards::smallint[],
    :next_steps::smallint[], :next_ats::timestamptz[], :started_ats::timestamptz[], :warn_ats::timestamptz[],
    :due_ats::timestamptz[], :fired_ats::timestamptz[], :ended_ats::timestamptz[],
    :states::text[], :granteds::text[], :policy_versions::text[], :causes::text[], :provisionals::boolean[],
    :rounds::smallint[], :pauseds::interval[], :paused_ats::timestamptz[], :time_lefts::interval[],
    :ladder_froms::timestamptz[]
)
on conflict (case_id, unit, obligation, generation) do update set
    next_step = excluded.next_step, next_at = excluded.next_at, warn_at = excluded.warn_at, due_at = excluded.due_at,
    fired_at = excluded.fired_at, ended_at = excluded.ended_at, state = excluded.state, granted = excluded.granted,
    policy_version = excluded.policy_version, cause = excluded.cause, provisional = excluded.provisional,
    paused = excluded.paused, paused_at = excluded.paused_at, time_left = excluded.time_left,
    ladder_from = excluded.ladder_from;

-- name: take_out!
-- Take away the rows of deadlines that a successor has now, under its own name.
delete from deadline
using unnest(:case_ids::uuid[], :units::text[], :obligations::text[], :generations::smallint[])
    as gone (case_id, unit, obligation, generation)
where (deadline.case_id, deadline.unit, deadline.obligation, deadline.generation)
    = (gone.case_id, gone.unit, gone.obligation, gone.generation);

-- name: claim
-- Take what is due in these shards, the oldest first and only so much, and put each row off for as long as its
-- step may take; who takes the step says what comes next. One statement under the heads' locks: nobody else can
-- take the same row (nor move it, so its place in the table names it), and no row is taken before its time.
with due as materialized (
    select place, next_at
    from unnest(:shards::smallint[], :floors::timestamptz[]) as wanted (shard, floor)
    cross join lateral (
        select ctid as place, next_at
        from deadline
        where deadline.shard = wanted.shard and next_at > wanted.floor and next_at <= :now::timestamptz
        order by next_at limit :most::integer
    ) as oldest
    order by next_at limit :most::integer
), taken as (
    update deadline set next_at = :now::timestamptz + :put_off::interval
    where ctid = any(array(select place from due)) and next_at <= :now::timestamptz
      and state in ('armed', 'overdue', 'paused')
    returning old.case_id, old.unit, old.obligation, old.generation, old.next_step, old.next_at
)
select case_id, unit, obligation, generation, next_step as step, next_at as at from taken order by next_at;

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
-- How many deadlines run, by obligation and state.
select obligation, state, count(*) as number from deadline
where state in ('armed', 'overdue') group by obligation, state order by obligation, state;
