-- A clock can stand still and go on with what was left of it: suspended (挂账), or taken from a unit that is given the
-- case again in the same round. paused = how long it stood still before it was overdue, time_left = what is left while
-- it does, both in the limit's own time; ladder_from = where the ladder counts from if it stood still since.
-- granted null = not a limit but a date was set. A paused row is looked at only if its red is still to be said.

alter table deadline
    alter column granted drop not null,
    add column round smallint not null default 1,
    add column paused interval not null default '0',
    add column paused_at timestamptz,
    add column time_left interval,
    add column ladder_from timestamptz,
    drop constraint deadline_state_check,
    drop constraint deadline_check,
    drop constraint deadline_check1;

alter table deadline
    add constraint deadline_state check (state in ('armed', 'overdue', 'paused', 'met', 'cancelled')),
    add constraint deadline_ends check ((ended_at is null) = (state in ('armed', 'overdue', 'paused'))),
    add constraint deadline_rests check (next_at is null or ended_at is null),
    add constraint deadline_stands check ((paused_at is not null) = (state = 'paused'));
