-- Open cases are counted by stage and by the unit that has them every few seconds: from the index of the open ones alone,
-- which held their ids before, and no case that is closed is looked at. lead = the unit whose part leads in this round.
alter table state add column lead text generated always as (
    jsonb_path_query_first(
        state, '$.assignments[*] ? (@.role == "lead" && !(@.part == "released") && @.round == $.round).unit'
    ) #>> '{}'
) stored;

drop index state_open;
create index state_open on state (case_id) include (stage, lead)
where stage not in ('declined', 'withdrawn', 'closed', 'archived');
