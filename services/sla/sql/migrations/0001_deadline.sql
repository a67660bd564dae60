-- What is owed by when: one row for each (case, unit, obligation, generation).
-- next_step: -1 = the warning (黄灯), 0 = overdue (红灯), n = the escalation ladder's n-th rung; next_at = when,
-- null once nothing more can happen. All rows of a shard are written under the lock of that shard's head.

create table deadline (
    case_id uuid not null,
    unit text not null,
    obligation text not null,
    generation smallint not null,
    shard smallint not null,
    next_step smallint not null,
    next_at timestamptz,
    started_at timestamptz not null,
    warn_at timestamptz,
    due_at timestamptz not null,
    fired_at timestamptz,
    ended_at timestamptz,
    state text not null check (state in ('armed', 'overdue', 'met', 'cancelled')),
    granted text not null,
    policy_version text not null,
    cause text,
    provisional boolean not null,
    primary key (case_id, unit, obligation, generation),
    check ((next_at is null) or state in ('armed', 'overdue')),
    check ((ended_at is null) = (state in ('armed', 'overdue')))
) with (fillfactor = 85);

create index deadline_next on deadline (shard, next_at) where next_at is not null;
create index deadline_live on deadline (obligation, state) where state in ('armed', 'overdue');
