-- name: case_by_number$
-- The case that bears this number.
select case_id from state where number = :number::text order by case_id limit 1;

-- name: cases_by_number
-- The cases that bear these numbers.
select number, case_id from state where number = any(:numbers::text[]) order by case_id desc;

-- name: review$
-- One review, whole.
select state::text from state where case_id = :case_id::uuid;

-- name: reviews_waiting
-- Reviews that wait for something, longest waiting first, after a place in that order.
select case_id, since, state::text as state
from state
where waiting <> '[]'
  and waiting ? :waiting::text
  and (:unit::text is null or whistle_blower = :unit::text)
  and (:source::text is null or source = :source::text)
  and (since, case_id) > (:after_since::text, :after_case_id::uuid)
order by since, case_id
limit :most::integer;

-- name: reviews
-- All reviews, oldest first, after a place in that order.
select case_id, since, state::text as state
from state
where number is not null
  and (:unit::text is null or whistle_blower = :unit::text)
  and (:source::text is null or source = :source::text)
  and (since, case_id) > (:after_since::text, :after_case_id::uuid)
order by since, case_id
limit :most::integer;

-- name: waiting_counts
-- How many reviews wait for each thing.
select awaited.what, count(*) as reviews
from state cross join lateral jsonb_array_elements_text(waiting) as awaited (what)
where waiting <> '[]'
  and (:unit::text is null or whistle_blower = :unit::text)
  and (:source::text is null or source = :source::text)
group by awaited.what;

-- name: tally_sums^
-- How many reviews there are, and their tallies added up.
select
    count(*) as reviews,
    coalesce(sum(tally.checks_passed), 0) as checks_passed,
    coalesce(sum(tally.checks_failed), 0) as checks_failed,
    coalesce(sum(tally.rated), 0) as rated,
    coalesce(sum(tally.unrated), 0) as unrated,
    coalesce(sum(tally.contact), 0) as contact,
    coalesce(sum(tally.speed), 0) as speed,
    coalesce(sum(tally.result), 0) as result,
    coalesce(sum(tally.answered), 0) as answered,
    coalesce(sum(tally.silent), 0) as silent,
    coalesce(sum(tally.contacted), 0) as contacted,
    coalesce(sum(tally.solved), 0) as solved,
    coalesce(sum(tally.satisfied), 0) as satisfied,
    coalesce(sum(tally.basically_satisfied), 0) as basically_satisfied,
    coalesce(sum(tally.unsatisfied), 0) as unsatisfied,
    coalesce(sum(tally.closed), 0) as closed,
    coalesce(sum(tally.reopened), 0) as reopened
from state
cross join lateral jsonb_to_record(state.state -> 'tally') as tally (
    checks_passed integer,
    checks_failed integer,
    rated integer,
    unrated integer,
    contact integer,
    speed integer,
    result integer,
    answered integer,
    silent integer,
    contacted integer,
    solved integer,
    satisfied integer,
    basically_satisfied integer,
    unsatisfied integer,
    closed integer,
    reopened integer
)
where number is not null
  and (:unit::text is null or whistle_blower = :unit::text)
  and (:source::text is null or source = :source::text);

-- name: reviews_by_source_ref
-- The cases that their source calls by these names; the last one where several bear one.
select distinct on (source_ref) source_ref, case_id, state::text as state
from state where source_ref = any(:source_refs::text[])
order by source_ref, since desc, case_id desc;

-- name: exclusions
-- Exclusions (剔除) of one unit or of all, ruled on or not or both, in the order of their ids, after one of them.
-- Their ids are made as they are asked for and sort as the time does.
select case_id, number, asked.exclusion::text as exclusion
from state
cross join lateral jsonb_array_elements(exclusions) as asked (exclusion)
where exclusions <> '[]'
  and number is not null
  and (:unit::text is null or asked.exclusion ->> 'unit' = :unit::text)
  and (:ruled::boolean is null or (asked.exclusion ->> 'approved' is not null) = :ruled::boolean)
  and (asked.exclusion ->> 'id') collate "C" > :after_id::text
order by (asked.exclusion ->> 'id') collate "C"
limit :most::integer;
