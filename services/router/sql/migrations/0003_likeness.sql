-- What is looked at for duplicates: the open cases of a region, by their ids, which begin with the time they came in.
alter table state add column region text generated always as (state #>> '{matter,region}') stored;

create index state_region_open on state (region, case_id)
where stage not in ('declined', 'merged', 'withdrawn', 'closed', 'archived');

-- Cases of before are not gone through: looking begins where each log ends now.
insert into progress (log, shard, sequence) select 'duplicates', shard, sequence from head;
