-- What the public board looks for in a review, made from its state. `board_closed_at` has one width: its text sorts.

alter table state
    add column board_closed_at text generated always as (state #>> '{publication,closed_at}') stored,
    add column board_hidden text generated always as (state #>> '{publication,hidden}') stored,
    add column board_region text generated always as (state #>> '{publication,entry,region}') stored,
    add column board_category text generated always as (state #>> '{publication,entry,category,0}') stored;

create index board_in_order on state (board_closed_at desc, case_id desc)
where board_closed_at is not null and board_hidden is null;

create index board_by_closing on state (board_closed_at) where board_closed_at is not null;
