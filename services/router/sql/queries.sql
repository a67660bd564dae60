-- name: save_cases!
-- Save cases, new or changed, and keep their assignments beside them, for lists by unit.
with saved as (
    insert into state (case_id, caseseq, state)
    select case_id, caseseq, state::jsonb
    from unnest(:case_ids::uuid[], :caseseqs::integer[], :states::text[]) as new (case_id, caseseq, state)
    on conflict (case_id) do update set caseseq = excluded.caseseq, state = excluded.state
)
insert into assignment (case_id, assignment_id, unit, role, round, part, stage, overdue)
select * from unnest(
    :assigned::uuid[], :assignment_ids::uuid[], :units::text[], :roles::text[], :rounds::integer[],
    :parts::text[], :stages::text[], :overdues::boolean[]
)
on conflict (assignment_id) do update
set unit = excluded.unit, role = excluded.role, part = excluded.part, stage = excluded.stage,
    overdue = excluded.overdue;

-- name: case_by_id^
-- One case by its id.
select case_id, state::text as state from state where case_id = :case_id::uuid;

-- name: case_by_number^
-- One case by the number people use.
select case_id, state::text as state from state where number = :number::text;

-- name: cases
-- Cases in order of their ids (which is the order they came in), newest first, before a given one.
select case_id, state::text as state from state
where (:stage::text is null or stage = :stage)
  and (:before::uuid is null or case_id < :before)
order by case_id desc limit :most::integer;

-- name: cases_of_unit
-- Cases in which a unit has or had a part or whose whistle it blew, newest first, before a given one.
select case_id, state::text as state from state
where (whistle_blower = :unit::text or case_id in (select case_id from assignment where unit = :unit))
  and (:stage::text is null or stage = :stage)
  and (:before::uuid is null or case_id < :before)
order by case_id desc limit :most::integer;

-- name: count_by_stage
-- How many cases stand in each stage, and how many of those that are open missed an obligation or are supervised.
select stage, count(*) as cases,
       count(*) filter (where is_supervised and stage not in ('declined', 'withdrawn', 'closed', 'archived'))
           as supervised,
       count(*) filter (where is_overdue and stage not in ('declined', 'withdrawn', 'closed', 'archived')) as overdue
from state group by stage;

-- name: count_by_level
-- How many cases were given to each level.
select level, count(*) as cases from state where level is not null group by level;

-- name: count_by_unit
-- Each unit's assignments: open, open and late with something, done.
select unit,
       count(*) filter (where is_open) as open,
       count(*) filter (where is_open and overdue) as overdue,
       count(*) filter (where part = 'done') as done
from (
    select unit, overdue, part,
           part in ('assigned', 'signed_in', 'refused', 'in_consultation') and stage not in ('closed', 'archived') as is_open
    from assignment
) as each_assignment
group by unit;

-- name: count_today^
-- What was opened and closed since the start of this day in Shanghai.
select count(*) filter (where (state ->> 'opened_at')::timestamptz >= today.start) as opened,
       count(*) filter (where (state ->> 'closed_at')::timestamptz >= today.start) as closed
from state, (select date_trunc('day', clock_timestamp(), 'Asia/Shanghai') as start) as today;

-- name: count_open_of_units
-- How many assignments of these units are open: those that move when the units go.
select unit, count(*) as assignments from assignment
where unit = any(:units::text[])
  and part in ('assigned', 'signed_in', 'refused', 'in_consultation') and stage not in ('closed', 'archived')
group by unit order by unit;

-- name: followers
-- The cases that were merged into one, in the order in which they came in.
select case_id, number, stage from state
where merged_into = :case_id::uuid order by case_id limit :most::integer;

-- name: count_by_ledger
-- Each ledger's entries, and how many are written off.
select ledger as name, count(*) as entered,
       count(*) filter (where stage in ('withdrawn', 'closed', 'archived')) as written_off
from state where ledger is not null group by ledger;

-- name: count_by_list
-- Each of the three lists' cases, and how many are written off.
select case_list as name, count(*) as entered,
       count(*) filter (where stage in ('withdrawn', 'closed', 'archived')) as written_off
from state where case_list is not null group by case_list;

-- name: recount_ledgers
-- The ledgers once more, from the case log alone: the last fact that names a ledger, and the last stage.
with fact as (
    select case_id, caseseq, convert_from(event, 'UTF8')::jsonb -> 'data' as data from log where event is not null
),
entry as (
    select distinct on (case_id) case_id, data ->> 'ledger' as ledger
    from fact where data ->> 'ledger' is not null order by case_id, caseseq desc
),
standing as (
    select distinct on (case_id) case_id, data ->> 'stage' as stage
    from fact where data ? 'stage' order by case_id, caseseq desc
)
select ledger as name, count(*) as entered,
       count(*) filter (where stage in ('withdrawn', 'closed', 'archived')) as written_off
from entry join standing using (case_id) group by ledger;

-- name: entries
-- The entries of one ledger, newest first, before a given one.
select case_id, state::text as state from state
where ledger = :ledger::text
  and (:is_open::boolean is null or (stage not in ('withdrawn', 'closed', 'archived')) = :is_open)
  and (:before::uuid is null or case_id < :before)
order by case_id desc limit :most::integer;

-- name: followers_to_tell
-- Merged cases whose case has come to an end or was merged itself, with the state of that one.
select follower.case_id, followed.state::text as state
from state as follower join state as followed on followed.case_id = follower.merged_into
where follower.stage = 'merged' and followed.stage in ('declined', 'withdrawn', 'merged', 'closed', 'archived')
limit :most::integer;

-- name: units_at_work
-- Every unit that has an open part, blew the whistle of an open case, or is the region of one.
select unit from assignment
where part in ('assigned', 'signed_in', 'refused', 'in_consultation')
group by unit
union
select unnest(array[whistle_blower, state #>> '{matter,region}', state ->> 'desk']) from state
where stage not in ('declined', 'withdrawn', 'closed', 'archived');

-- name: cases_of_units
-- Open cases in which one of these units has something to do.
select case_id from assignment
where unit = any(:units::text[]) and part in ('assigned', 'signed_in', 'refused', 'in_consultation')
union
select case_id from state
where stage not in ('declined', 'withdrawn', 'closed', 'archived')
  and array[whistle_blower, state #>> '{matter,region}', state ->> 'desk'] && :units::text[]
limit :most::integer;

-- name: history
-- Accepted cases as the rules had to decide them, in order of their ids, after a given one; and who has them now.
select case_id, (state -> 'self_handled')::boolean as self_handled,
       jsonb_set(
           state -> 'matter', '{urgency}', coalesce(nullif(state -> 'accepted_urgency', 'null'), state #> '{matter,urgency}')
       )::text as matter,
       coalesce(state ->> 'accepted_at', state ->> 'opened_at')::timestamptz as at,
       array(
           select unit from assignment
           where assignment.case_id = state.case_id and part <> 'released'
             and round = (state.state -> 'round')::integer
           order by role = 'lead' desc
       ) as units
from state
where stage not in ('received', 'verifying', 'declined')
  and (:after::uuid is null or case_id > :after)
  and (:case_id::uuid is null or case_id = :case_id)
  and (:number::text is null or number = :number)
  and (:since::timestamptz is null or coalesce(state ->> 'accepted_at', state ->> 'opened_at')::timestamptz >= :since)
order by case_id limit :most::integer;

-- name: count_history$
-- How many cases there are to read with `history`.
select count(*) from state
where stage not in ('received', 'verifying', 'declined')
  and (:since::timestamptz is null or coalesce(state ->> 'accepted_at', state ->> 'opened_at')::timestamptz >= :since);

-- name: told_since
-- Each shard's next facts that were not looked at for duplicates: the cases they tell of, where they end, what follows.
select head.shard, part.case_ids, part.sequence, head.sequence - part.sequence as waiting
from head
left join progress on progress.log = 'duplicates' and progress.shard = head.shard
cross join lateral (
    select max(next.sequence) as sequence,
           array_agg(distinct next.case_id) filter (
               where convert_from(next.event, 'UTF8')::jsonb ->> 'type' = any(:types::text[])
           ) as case_ids
    from (
        select log.sequence, log.case_id, log.event from log
        where log.shard = head.shard and log.sequence > coalesce(progress.sequence, 0)
        order by log.sequence limit :most::integer
    ) as next
) as part
where head.shard = any(:shards::smallint[]) and part.sequence is not null;

-- name: read_on!
-- Remember how far logs were looked at for duplicates; never back.
insert into progress (log, shard, sequence)
select 'duplicates', shard, sequence from unnest(:shards::smallint[], :sequences::bigint[]) as part (shard, sequence)
on conflict (log, shard) do update set sequence = greatest(progress.sequence, excluded.sequence);

-- name: open_matters
-- What these cases are about, where they are open and not merged.
select case_id, (state -> 'matter')::text as matter from state
where case_id = any(:case_ids::uuid[]) and stage not in ('declined', 'merged', 'withdrawn', 'closed', 'archived');

-- name: open_in_regions
-- Open cases of these regions, made from the one id on to the other, newest first. Region by region, so that a quiet
-- street is not looked for through all that the others have.
select newest.case_id
from unnest(:regions::text[]) as around (region)
cross join lateral (
    select state.case_id from state
    where state.region = around.region
      and state.stage not in ('declined', 'merged', 'withdrawn', 'closed', 'archived')
      and state.case_id between :first::uuid and :last::uuid
    order by state.case_id desc limit :most::integer
) as newest
order by newest.case_id desc limit :most::integer;

-- name: open_anywhere
-- Open cases made from the one id on to the other, newest first.
select case_id from state
where stage not in ('declined', 'merged', 'withdrawn', 'closed', 'archived')
  and case_id between :first::uuid and :last::uuid
order by case_id desc limit :most::integer;
