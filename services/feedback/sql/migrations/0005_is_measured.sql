-- An index over the state itself made every change of a review a change of all its indexes. What it is looked for by
-- is a column of its own now, so that most facts touch no index.
drop index state_unmeasured;
alter table state
    add column is_measured boolean generated always as (coalesce(state -> 'record', 'null') <> 'null') stored;
create index state_unmeasured on state (case_id) where not is_measured;
