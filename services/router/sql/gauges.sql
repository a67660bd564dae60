-- name: open_cases
-- Open cases by stage and by the unit that leads (null = nobody yet), from the index state_open alone.
select stage, lead, count(*) as cases from state
where stage not in ('declined', 'withdrawn', 'closed', 'archived')
group by stage, lead;

-- name: told_before
-- What the log said of these cases before a fact of each: the facts of these types. By the index log_by_case.
select log.case_id, log.event
from unnest(:case_ids::uuid[], :befores::integer[]) as wanted (case_id, before)
join log on log.case_id = wanted.case_id and log.caseseq < wanted.before
where log.event is not null and convert_from(log.event, 'UTF8')::jsonb ->> 'type' = any(:types::text[])
order by log.case_id, log.caseseq;
