-- 重算: running deadlines are moved to another version of the policy or of the calendars when somebody asks for it.
-- version = the one they are moved to; provisional_only: the clock's own request, once a version, for deadlines that
-- rested on a year that was not published; total = in how many cases something was open when it was asked for;
-- superseded_by = which version came into force before it was finished, and ended it.
-- A shard's row moves in the transaction that states what changed: after_case = the last case gone through (null =
-- none yet), done = how many cases, earlier, later, kept = how many deadlines, failed = cases that could not be read.

create table reckoning (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('policy', 'calendar')),
    version text not null,
    lengthen boolean not null,
    provisional_only boolean not null default false,
    asked_by jsonb not null,
    note text not null,
    asked_at timestamptz not null default clock_timestamp(),
    total integer not null,
    superseded_by text,
    finished_at timestamptz
);
create unique index reckoning_running on reckoning (kind) where finished_at is null;
create unique index reckoning_by_itself on reckoning (version) where provisional_only;

create table reckoning_shard (
    reckoning bigint not null references reckoning,
    shard smallint not null,
    after_case uuid,
    done integer not null default 0,
    earlier integer not null default 0,
    later integer not null default 0,
    kept integer not null default 0,
    failed integer not null default 0,
    finished_at timestamptz,
    primary key (reckoning, shard)
);

-- What is open, case by case; with what is counted once a minute, so that it takes the place of deadline_live.
create index deadline_open on deadline (shard, case_id) include (obligation, state) where ended_at is null;
drop index deadline_live;

-- What runs since release 0.1 began with the urgency that its case has, or a stricter one: a raise begins another.
update deadline set urgency = state.state ->> 'urgency'
from state
where state.case_id = deadline.case_id and (deadline.ended_at is null or deadline.time_left is not null)
  and state.state ->> 'urgency' is not null;
