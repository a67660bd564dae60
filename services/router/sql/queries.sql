-- name: save_assignments!
-- Keep the assignments beside the states, for lists by unit.
insert into assignment (case_id, assignment_id, unit, role, round, part, stage, overdue)
select * from unnest(
    :case_ids::uuid[], :assignment_ids::uuid[], :units::text[], :roles::text[], :rounds::integer[],
    :parts::text[], :stages::text[], :overdues::boolean[]
)
on conflict (assignment_id) do update
set role = excluded.role, part = excluded.part, stage = excluded.stage, overdue = excluded.overdue;

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
-- How many cases stand in each stage, and how many of those that are open missed an obligation.
select stage, count(*) as cases,
       count(*) filter (where is_overdue and stage not in ('declined', 'closed', 'archived')) as overdue
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
           part in ('assigned', 'signed_in', 'refused') and stage not in ('closed', 'archived') as is_open
    from assignment
) as each_assignment
group by unit;

-- name: count_today^
-- What was opened and closed since the start of this day in Shanghai.
select count(*) filter (where (state ->> 'opened_at')::timestamptz >= today.start) as opened,
       count(*) filter (where (state ->> 'closed_at')::timestamptz >= today.start) as closed
from state, (select date_trunc('day', clock_timestamp(), 'Asia/Shanghai') as start) as today;
