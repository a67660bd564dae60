-- Exclusions (剔除) are looked for across cases: few cases have any.

alter table state
    add column exclusions jsonb generated always as (state -> 'judged' -> 'exclusions') stored;

create index review_with_exclusions on state (case_id) where exclusions <> '[]';
