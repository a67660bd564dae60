-- Why a limit is what it is, and how its time is counted: rows from before go on with the defaults.
-- urgency: of the case when the deadline began, by which its warning and its ladder are looked up; basis = which row of
-- the policy, or of the catalogue, granted it; calendar_version = by which its due time was reckoned, '' = the one in
-- force. Before counts_from, used_before of the limit's own time was used (null = all of it counts from the start,
-- without what it paused). planned = how much later it is due than without the plan in force. raised_at = when the
-- urgency last rose while it stood still. outrun: the limit that a higher urgency took the place of, where it counts
-- another kind of time; it holds beside the new one, counts from outrun_counts_from and is used up at outrun_due_at.

alter table deadline
    add column urgency text not null default 'normal',
    add column basis text not null default '',
    add column calendar_version text not null default '',
    add column counts_from timestamptz,
    add column used_before interval not null default '0',
    add column planned interval not null default '0',
    add column raised_at timestamptz,
    add column outrun text,
    add column outrun_counts_from timestamptz,
    add column outrun_due_at timestamptz;

update deadline set raised_at = (state.state ->> 'raised_at')::timestamptz
from state
where state.case_id = deadline.case_id
  and state.state ->> 'raised_at' is not null
  and least(deadline.paused_at, deadline.ended_at) <= (state.state ->> 'raised_at')::timestamptz
  and (deadline.time_left is not null or deadline.cause = 'case.refused.v1');
