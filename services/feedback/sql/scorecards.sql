-- name: scorecards
-- Scorecards without their content, newest first, before an id.
select id, rhythm, period, starts_at, ends_at, edition, status, asked_by, asked_at, done, total, failure, hash, inputs,
       computed_at, published_by, published_at
from scorecard
where id < :before::bigint
  and (:rhythm::text is null or rhythm = :rhythm::text)
  and (:period::text is null or period = :period::text)
  and (:status::text is null or status = :status::text)
order by id desc
limit :most::integer;

-- name: scorecard^
-- One scorecard without its content.
select id, rhythm, period, starts_at, ends_at, edition, status, asked_by, asked_at, done, total, failure, hash, inputs,
       computed_at, published_by, published_at
from scorecard where id = :id::bigint;

-- name: locked^
-- One scorecard without its content, locked until the transaction ends.
select id, rhythm, period, starts_at, ends_at, edition, status, asked_by, asked_at, done, total, failure, hash, inputs,
       computed_at, published_by, published_at
from scorecard where id = :id::bigint for update;

-- name: latest^
-- The last edition of a period's scorecard, locked until the transaction ends.
select id, rhythm, period, starts_at, ends_at, edition, status, asked_by, asked_at, done, total, failure, hash, inputs,
       computed_at, published_by, published_at
from scorecard where rhythm = :rhythm::text and period = :period::text order by edition desc limit 1 for update;

-- name: content$
-- The exact bytes of a scorecard.
select content from scorecard where id = :id::bigint;

-- name: add$
-- Ask for a scorecard; none where the same was asked for in this moment.
insert into scorecard (rhythm, period, starts_at, ends_at, edition, asked_by)
values (
    :rhythm::text, :period::text, :starts_at::timestamptz, :ends_at::timestamptz, :edition::integer, :asked_by::jsonb
)
on conflict (rhythm, period, edition) do nothing
returning id;

-- name: ask_again!
-- Ask for a scorecard once more that is not published.
update scorecard
set status = 'asked', asked_by = :asked_by::jsonb, asked_at = clock_timestamp(), claim = null, claimed_until = null,
    attempts = 0, done = 0, total = 0, failure = null, content = null, hash = null, inputs = null, computed_at = null
where id = :id::bigint;

-- name: publish!
-- Publish a scorecard: from now on nothing of it changes.
update scorecard
set status = 'published', published_by = :published_by::jsonb, published_at = clock_timestamp()
where id = :id::bigint;

-- name: unpublished
-- Scorecards that are computed and not published, oldest first.
select id, rhythm, period, starts_at, ends_at, edition, status, asked_by, asked_at, done, total, failure, hash, inputs,
       computed_at, published_by, published_at
from scorecard where status = 'computed' order by id limit 100;

-- name: known_periods
-- The periods of a rhythm for which a scorecard was ever asked, from a time on.
select distinct period from scorecard where rhythm = :rhythm::text and ends_at >= :ends_from::timestamptz;

-- name: began_measuring$
-- When the first case that is measured was received.
select received_at from whole order by received_at limit 1;

-- name: claim$
-- Take the scorecard that has been asked for longest, for so long unless it is renewed; its id.
update scorecard
set claim = :claim::uuid, claimed_until = clock_timestamp() + :lease::interval, attempts = attempts + 1
where id = (
    select id from scorecard
    where status = 'asked' and (claimed_until is null or claimed_until < clock_timestamp())
    order by asked_at, id
    limit 1
    for update skip locked
)
returning id;

-- name: renew$
-- Keep a claim, and say how far it is; nothing where it was lost.
update scorecard
set claimed_until = clock_timestamp() + :lease::interval, done = :done::bigint, total = :total::bigint
where id = :id::bigint and claim = :claim::uuid and status = 'asked'
returning attempts;

-- name: save_computed$
-- Keep what was computed under a claim; nothing where it was lost.
update scorecard
set status = 'computed', starts_at = :starts_at::timestamptz, ends_at = :ends_at::timestamptz,
    content = :content::bytea, hash = :hash::text, inputs = :inputs::jsonb, computed_at = :computed_at::timestamptz, claim = null, claimed_until = null, done = total, failure = null
where id = :id::bigint and claim = :claim::uuid and status = 'asked'
returning id;

-- name: give_up$
-- Say why a scorecard could not be computed; it may be asked for again.
update scorecard
set status = 'failed', failure = :failure::text, claim = null, claimed_until = null
where id = :id::bigint and claim = :claim::uuid and status = 'asked'
returning id;

-- name: heads
-- Where this service's own log ends, by shard.
select shard, sequence from head order by shard;

-- name: consumed
-- How far another service's log was consumed, by shard.
select shard, sequence from progress where log = :log::text order by shard;

-- name: standards
-- What units are measured by now, by kind.
select kind, number, label, content
from district.in_force join district.version using (kind, number) where kind = any(:kinds::text[]);

-- name: published_before^
-- The published scorecard of the period that ended when this one began, its last edition.
select id, hash, content from scorecard
where rhythm = :rhythm::text and ends_at = :ends_at::timestamptz and status = 'published'
order by edition desc limit 1;

-- name: add_appeal$
-- Note an appeal; nothing where there is one of the same figure.
insert into appeal (scorecard, unit, measure, reason, asked_by)
values (:scorecard::bigint, :unit::text, :measure::text, :reason::text, :asked_by::jsonb)
on conflict (scorecard, unit, measure) do nothing
returning number;

-- name: appeals
-- Appeals, newest first, before a number.
select number, scorecard, unit, measure, reason, asked_by, asked_at, upheld, ruling, remedy, exclusion, ruled_by, ruled_at
from appeal
where number < :before::bigint
  and (:unit::text is null or unit = :unit::text)
  and (:scorecard::bigint is null or scorecard = :scorecard::bigint)
  and (:open_only::boolean is not true or ruled_at is null)
order by number desc
limit :most::integer;

-- name: appeal^
-- One appeal.
select number, scorecard, unit, measure, reason, asked_by, asked_at, upheld, ruling, remedy, exclusion, ruled_by, ruled_at
from appeal where number = :number::bigint;

-- name: locked_appeal^
-- One appeal, locked until the transaction ends.
select number, scorecard, unit, measure, reason, asked_by, asked_at, upheld, ruling, remedy, exclusion, ruled_by, ruled_at
from appeal where number = :number::bigint for update;

-- name: was_upheld$
-- Whether an appeal against a scorecard was upheld.
select exists (select from appeal where scorecard = :scorecard::bigint and upheld);

-- name: rule!
-- Rule on an appeal.
update appeal
set upheld = :upheld::boolean, ruling = :ruling::text, remedy = :remedy::text, exclusion = :exclusion::uuid,
    ruled_by = :ruled_by::jsonb, ruled_at = clock_timestamp()
where number = :number::bigint;
