-- name: count_open$
-- In how many cases something runs that has a limit.
select count(distinct case_id) from deadline
where ended_at is null and granted is not null and (provisional or not :provisional_only::boolean);

-- name: open_cases
-- The next cases of a shard in which something runs that has a limit.
select distinct case_id from deadline
where shard = :shard::smallint and ended_at is null and granted is not null
  and (provisional or not :provisional_only::boolean)
  and (:after_case::uuid is null or case_id > :after_case::uuid)
order by case_id limit :most::integer;

-- name: provisional_days
-- On which days what is provisional by other calendars than these is due, by unit.
select distinct unit, (due_at at time zone 'Asia/Shanghai')::date as day from deadline
where ended_at is null and granted is not null and provisional and calendar_version <> :version::text;

-- name: add$
-- Ask for a reckoning; its number.
insert into reckoning (kind, version, lengthen, provisional_only, asked_by, note, total)
values (:kind::text, :version::text, :lengthen::boolean, :provisional_only::boolean, :asked_by::jsonb, :note::text,
        :total::integer)
returning id;

-- name: add_by_itself$
-- The clock's own request, once a version and not while another of its kind runs; null where it is not to be.
insert into reckoning (kind, version, lengthen, provisional_only, asked_by, note, total)
values ('calendar', :version::text, true, true, :asked_by::jsonb, :note::text, :total::integer)
on conflict do nothing
returning id;

-- name: add_shards!
-- Every shard is still to be gone through.
insert into reckoning_shard (reckoning, shard) select :id::bigint, unnest(:shards::smallint[]);

-- name: was_made_by_itself$
-- Whether the clock has asked for these calendars already.
select exists (select from reckoning where provisional_only and version = :version::text);

-- name: running
-- What is asked for and not finished, with the shards that are left.
select id, kind, version, lengthen, provisional_only, asked_by, note,
       array(select shard from reckoning_shard
             where reckoning = reckoning.id and finished_at is null order by shard) as shards
from reckoning where finished_at is null order by id;

-- name: place^
-- How far a shard is; none where it is finished.
select after_case from reckoning_shard
where reckoning = :id::bigint and shard = :shard::smallint and finished_at is null;

-- name: move!
-- So many more cases of a shard were gone through, up to this one.
update reckoning_shard set
    after_case = :after_case::uuid, done = done + :done::integer, earlier = earlier + :earlier::integer,
    later = later + :later::integer, kept = kept + :kept::integer, failed = failed + :failed::integer
where reckoning = :id::bigint and shard = :shard::smallint;

-- name: finish_shard!
-- Nothing is left of a shard.
update reckoning_shard set finished_at = clock_timestamp() where reckoning = :id::bigint and shard = :shard::smallint;

-- name: supersede!
-- Another version came into force before it was finished.
update reckoning set superseded_by = :by::text where id = :id::bigint;

-- name: finish!
-- What has no shard left is finished.
update reckoning set finished_at = clock_timestamp()
where finished_at is null
  and not exists (select from reckoning_shard where reckoning = reckoning.id and finished_at is null);

-- name: shown
-- Requests with how far they are, newest first: one of them, or a page.
select id, kind, version, lengthen, provisional_only, asked_by, note, asked_at, total, superseded_by,
       reckoning.finished_at,
       sum(done)::integer as done, sum(earlier)::integer as earlier, sum(later)::integer as later,
       sum(kept)::integer as kept, sum(failed)::integer as failed
from reckoning join reckoning_shard on reckoning = id
where (:id::bigint is null or id = :id::bigint) and id < :before::bigint
group by id order by id desc limit :most::integer;
