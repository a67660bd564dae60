-- How far each shard's log was called back to 12345; no row until that was switched on.
create table callback (
    shard smallint primary key,
    sequence bigint not null
) with (fillfactor = 50);

-- Replies that 12345 would not take: put aside, so that the others go on. What they say is in the log.
create table callback_failed (
    id uuid primary key,
    shard smallint not null,
    sequence bigint not null,
    case_id uuid not null,
    type text not null,
    fault text not null,
    reason text not null,
    attempts integer not null,
    put_aside_at timestamptz not null default clock_timestamp(),
    sent_at timestamptz
);
create index callback_failed_waiting on callback_failed (put_aside_at, id) where sent_at is null;
