-- What lists and statistics ask of a case, made from its state.
alter table state
    add column number text generated always as (state #>> '{matter,number}') stored,
    add column stage text generated always as (state ->> 'stage') stored,
    add column level text generated always as (state ->> 'level') stored,
    add column whistle_blower text generated always as (state #>> '{matter,whistle_blower}') stored,
    add column is_overdue boolean generated always as (jsonb_array_length(state -> 'missed') > 0) stored;

create unique index state_number on state (number);
create index state_stage on state (stage, case_id);
create index state_open on state (case_id) where stage not in ('declined', 'closed', 'archived');

-- Units in effect, one row each, for "my cases".
create table assignment (
    case_id uuid not null,
    assignment_id uuid primary key,
    unit text not null,
    role text not null,
    round integer not null,
    part text not null,
    stage text not null,
    overdue boolean not null
);
create index assignment_unit on assignment (unit, part, case_id);
