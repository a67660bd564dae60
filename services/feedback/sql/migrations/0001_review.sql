-- What the lists look for in a review, made from its state. `since` has one width, so its text sorts as time does.

alter table state
    add column number text generated always as (state -> 'case' ->> 'number') stored,
    add column source text generated always as (state -> 'case' ->> 'source') stored,
    add column whistle_blower text generated always as (state -> 'case' ->> 'whistle_blower') stored,
    add column since text generated always as (state ->> 'since') stored,
    add column waiting jsonb generated always as (state -> 'waiting') stored;

create index review_by_number on state (number);
create index review_waiting on state (since, case_id) where waiting <> '[]';
create index review_in_order on state (since, case_id) where number is not null;
create index review_of_unit on state (whistle_blower, since, case_id);
