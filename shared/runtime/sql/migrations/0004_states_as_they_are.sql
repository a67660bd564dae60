-- A state is written with every fact of its case. Compressing it took half of what writing it costs, and saved little:
-- the case's log is several times as large. What was written before stays as it is and is read as before.
alter table state alter column state set storage external;

-- Moves with every transaction that saves a state of the shard: whoever remembers states sees whether they are current.
alter table head add column saves bigint not null default 0;
