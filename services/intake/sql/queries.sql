-- name: take_numbers
-- The next case numbers, and when they were taken; numbers taken and not used leave gaps.
select nextval('case_number') as serial, clock_timestamp() as taken_at
from generate_series(1, :many::integer);

-- name: keep_reporters!
-- Keep reporters, enciphered.
insert into reporter (id, case_id, key, sealed, phone_hash)
select * from unnest(:ids::uuid[], :case_ids::uuid[], :keys::text[], :sealed::bytea[], :phone_hashes::bytea[]);

-- name: find^
-- One whistle by its case.
select state::text as state from state where case_id = :case_id::uuid;

-- name: find_by_ref^
-- One whistle by its source's own reference.
select state::text as state from state where source = :source::text and source_ref = :source_ref::text;

-- name: verifying
-- The oldest orders of a community that wait for verification, after a case.
select state::text as state
from state
where stage = 'verifying' and region = :region::text and case_id > :after::uuid
order by case_id
limit :most::integer;
