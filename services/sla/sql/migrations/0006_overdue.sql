-- What is overdue is counted once a minute by the rung it reached, from this index alone: it takes the place of the one
-- that has the rest of what is counted.
drop index deadline_open;
create index deadline_open on deadline (shard, case_id) include (obligation, state, next_step) where ended_at is null;
