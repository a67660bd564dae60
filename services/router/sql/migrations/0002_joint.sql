-- Ledgers, lists, supervised and merged cases.
alter table state
    add column ledger text generated always as (state ->> 'ledger') stored,
    add column case_list text generated always as (state ->> 'case_list') stored,
    add column is_supervised boolean generated always as (
        jsonb_array_length(coalesce(state -> 'supervised', '[]')) > 0
    ) stored,
    add column merged_into uuid generated always as ((state #>> '{merged_into,case_id}')::uuid) stored;

create index state_whistle_blower on state (whistle_blower, case_id);
create index state_ledger on state (ledger, case_id);
create index state_merged on state (merged_into) where merged_into is not null;

drop index state_open;
create index state_open on state (case_id) where stage not in ('declined', 'withdrawn', 'closed', 'archived');
