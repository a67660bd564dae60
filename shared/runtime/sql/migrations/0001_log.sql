-- The tables every service has in its own schema. SHARDS is fixed for an installation's life (12).

create table log (
    shard smallint not null,
    sequence bigint not null,
    case_id uuid not null,
    caseseq integer not null,
    event bytea,
    digest bytea not null,
    hash bytea not null,
    primary key (shard, sequence)
);
create index log_by_case on log (case_id, caseseq);

create table head (
    shard smallint primary key,
    sequence bigint not null,
    hash bytea not null,
    published bigint not null
) with (fillfactor = 50);
insert into head select shard, 0, decode(repeat('00', 32), 'hex'), 0 from generate_series(0, 11) as shard;

create table progress (
    log text not null,
    shard smallint not null,
    sequence bigint not null,
    primary key (log, shard)
) with (fillfactor = 50);

create table state (
    case_id uuid primary key,
    caseseq integer not null,
    state jsonb not null
) with (fillfactor = 80);

create table door (
    scope text not null,
    id text not null,
    fingerprint text,
    answer jsonb,
    kept_until timestamptz,
    primary key (scope, id)
);
create index door_kept_until on door (kept_until) where kept_until is not null;

create table dead_letter (
    number bigint generated always as identity primary key,
    topic text not null,
    partition integer not null,
    "offset" bigint not null,
    kind text not null,
    reason text not null,
    event_id text not null,
    case_id uuid not null,
    value bytea,
    headers jsonb not null,
    buried_at timestamptz not null default clock_timestamp(),
    published boolean not null default false,
    replayed_at timestamptz,
    unique (topic, partition, "offset")
);
create index dead_letter_unpublished on dead_letter (number) where not published;
