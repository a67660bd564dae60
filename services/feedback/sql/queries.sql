-- name: case_by_number$
-- The case that bears this number.
select case_id from state where number = :number::text order by case_id limit 1;

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

-- name: tally_sums
-- The reviews' tallies, added up; `reviews` counts them.
select counted.what, sum(counted.amount::bigint)::bigint as amount
from state
cross join lateral (
    select tally.key, tally.value from jsonb_each_text(state.state -> 'tally') as tally
    union all
    select 'reviews', '1'
) as counted (what, amount)
where number is not null
  and (:unit::text is null or whistle_blower = :unit::text)
  and (:source::text is null or source = :source::text)
group by counted.what;
