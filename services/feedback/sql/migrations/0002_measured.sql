-- What is measured as rows, the scorecards that are made of them, and the appeals against their figures.
--
-- The rows are written with the state they are made from, in the same transaction. Cases that were opened before this
-- release have no record of what is measured, so they have no rows; see `state_unmeasured`.

create table part (
    case_id uuid not null,
    unit text not null,
    round integer not null,
    number text not null,
    lead boolean not null,
    level text not null,
    category text not null,
    region text not null,
    source text not null,
    urgency text not null,
    assigned_at timestamptz,
    sign_in_at timestamptz,
    sign_in_late boolean,
    contact_at timestamptz,
    contact_late boolean,
    handle_at timestamptz,
    handle_late boolean,
    done_at timestamptz,
    refused_at timestamptz,
    extended_at timestamptz,
    reworked_at timestamptz,
    supervised_at timestamptz,
    on_ledger_at timestamptz,
    off_ledger_at timestamptz,
    written_off boolean not null,
    rated_at timestamptz,
    contact_score smallint,
    speed_score smallint,
    result_score smallint,
    answered_at timestamptz,
    contacted boolean,
    solved boolean,
    satisfaction text,
    silent_at timestamptz,
    excluded text[] not null,
    spells_began timestamptz[] not null,
    spells_ended timestamptz[] not null,
    -- From its first moment to its last: whatever counts in a period overlaps it. Open while it is on the ledger.
    first_at timestamptz generated always as (
        least(assigned_at, sign_in_at, contact_at, handle_at, on_ledger_at, rated_at, answered_at, silent_at)
    ) stored,
    last_at timestamptz generated always as (
        case
            when on_ledger_at is not null and off_ledger_at is null then timestamptz 'infinity'
            else greatest(
                assigned_at, sign_in_at, contact_at, handle_at, done_at, refused_at, extended_at, reworked_at,
                supervised_at, on_ledger_at, off_ledger_at, rated_at, answered_at, silent_at
            )
        end
    ) stored,
    primary key (case_id, unit, round)
) with (fillfactor = 80);
create index part_in_period on part (last_at, first_at);
create index part_of_unit on part (unit, last_at, first_at);

create table whole (
    case_id uuid primary key,
    number text not null,
    whistle_blower text not null,
    level text,
    category text not null,
    region text not null,
    source text not null,
    urgency text not null,
    received_at timestamptz not null,
    declined_at timestamptz,
    withdrawn_at timestamptz,
    merged_at timestamptz,
    closed_at timestamptz,
    reopened_at timestamptz,
    sampled_at timestamptz,
    sample_checked_at timestamptz,
    sample_passed boolean,
    closings timestamptz[] not null,
    reopenings timestamptz[] not null,
    -- Open until the case is over in one way or another.
    last_at timestamptz generated always as (
        case
            when coalesce(declined_at, withdrawn_at, merged_at, closed_at) is null then timestamptz 'infinity'
            else greatest(
                received_at, declined_at, withdrawn_at, merged_at, closed_at, reopened_at, sampled_at, sample_checked_at
            )
        end
    ) stored
) with (fillfactor = 80);
create index whole_in_period on whole (last_at, received_at);
create index whole_in_order on whole (received_at);

-- A scorecard. Asked for, then computed by whoever holds the claim, then published and never changed again.
create table scorecard (
    id bigint generated always as identity primary key,
    rhythm text not null,
    period text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null check (ends_at > starts_at),
    edition integer not null check (edition >= 1),
    status text not null default 'asked' check (status in ('asked', 'computed', 'published', 'failed')),
    asked_by jsonb not null,
    asked_at timestamptz not null default clock_timestamp(),
    claim uuid,
    claimed_until timestamptz,
    attempts integer not null default 0,
    done bigint not null default 0,
    total bigint not null default 0,
    failure text,
    content bytea,
    hash text,
    inputs jsonb,
    computed_at timestamptz,
    published_by jsonb,
    published_at timestamptz,
    unique (rhythm, period, edition),
    check (hash = encode(sha256(content), 'hex')),
    check (status not in ('computed', 'published') or (content, hash, inputs, computed_at) is not null),
    check ((status = 'published') = (published_at is not null))
);
create index scorecard_asked on scorecard (asked_at) where status = 'asked';

create function keep_published() returns trigger language plpgsql as $$
begin
    raise exception 'scorecard % is published: it is not changed; an upheld appeal leads to a new edition', old.id
        using errcode = 'integrity_constraint_violation';
end;
$$;
create trigger keep_published before update or delete on scorecard
    for each row when (old.status = 'published') execute function keep_published();

-- 申诉: a unit disputes a figure of a published scorecard.
create table appeal (
    number bigint generated always as identity primary key,
    scorecard bigint not null references scorecard (id),
    unit text not null,
    measure text not null,
    reason text not null,
    asked_by jsonb not null,
    asked_at timestamptz not null default clock_timestamp(),
    upheld boolean,
    ruling text,
    remedy text check (remedy in ('exclusion', 'correction')),
    exclusion uuid,
    ruled_by jsonb,
    ruled_at timestamptz,
    unique (scorecard, unit, measure),
    check ((upheld is null) = (ruled_at is null)),
    check (coalesce(upheld, false) = (remedy is not null))
);
create index appeal_of_unit on appeal (unit, number);

-- What the source calls the case, for those who know no other name of it.
alter table state add column source_ref text generated always as (state -> 'record' ->> 'source_ref') stored;
create index review_by_source_ref on state (source_ref) where source_ref is not null;

-- Reviews of cases of which nothing is measured: opened before this release, or known by a deadline alone.
create index state_unmeasured on state (case_id) where coalesce(state -> 'record', 'null') = 'null';
