-- Each query finds the violations of the invariant its name begins with. It says `why`, and where: any of
-- case_id, number, service, topic, shard, sequence, offset, line. `quiet`: nothing is on its way any more;
-- `drained`: also every case should be final. The tables are those of `scratch.py`; `final` and `waits` hold
-- the lifecycle's final stages, and what is owed in each stage that waits; `heir` says in which case which unit stands
-- in another's place, directly or through several.

-- name: i1_received_once
-- A case is received once.
select case_id, 'intake' as service, shard, max(sequence) as sequence,
       'intake''s log has its WhistleReceived ' || count(*) || ' times' as why
from whistle group by case_id having count(*) > 1;

-- name: i1_one_case_for_a_reference
-- What a source calls by one reference is one case.
select min(case_id) as case_id, 'intake' as service,
       source || ' ' || source_ref || ' exists ' || count(*) || ' times, also as case ' || uuid(max(case_id)) as why
from whistle where source_ref is not null group by source, source_ref having count(*) > 1;

-- name: i1_one_case_for_a_number
-- A number is borne by one case.
select min(case_id) as case_id, 'intake' as service, number,
       count(distinct case_id) || ' cases bear this number, also ' || uuid(max(case_id)) as why
from whistle group by number having count(distinct case_id) > 1;

-- name: i1_opened
-- What intake received, the router opened.
select whistle.case_id, whistle.number, 'intake' as service, whistle.shard, whistle.sequence,
       'the router never opened it' || coalesce(': ' || min(buried.reason), '') as why
from whistle left join buried on buried.case_id = whistle.case_id and buried.service = 'router'
where whistle.owed and not exists (select 1 from opened where opened.case_id = whistle.case_id)
group by whistle.case_id;

-- name: i1_opened_once
-- A case is opened once.
select case_id, 'router' as service, shard, max(sequence) as sequence,
       'the router''s log has its CaseOpened ' || count(*) || ' times' as why
from opened group by case_id having count(*) > 1;

-- name: i1_nothing_from_nowhere
-- The router opens nothing that intake did not receive.
select case_id, number, 'router' as service, shard, sequence, 'the router opened what intake never received' as why
from opened where not exists (select 1 from whistle where whistle.case_id = opened.case_id);

-- name: i1_one_number
-- A case bears the same number at intake, in the router's log and in its state.
select opened.case_id, opened.number, 'router' as service, opened.shard, opened.sequence,
       case when stands.case_id is null then 'router.state has no row for it'
            else 'intake numbered it ' || coalesce(whistle.number, '?') || ', the router opened it as ' || opened.number
                 || ' and keeps it as ' || coalesce(stands.number, '?')
       end as why
from opened
left join stands on stands.case_id = opened.case_id and stands.service = 'router'
left join whistle on whistle.case_id = opened.case_id
where stands.number is not opened.number or whistle.number <> opened.number;

-- name: i1_no_state_from_nowhere
-- The router's table has no case that its log did not open.
select case_id, number, 'router' as service, 'router.state has it, the router''s log never opened it' as why
from stands
where service = 'router' and not exists (select 1 from opened where opened.case_id = stands.case_id);

-- name: i1_nothing_acknowledged_is_lost
-- What the client was told exists, exists.
select case_id, number, line, 'intake' as service,
       'acknowledged as ' || status || ', but intake''s log has no such case: it is lost' as why
from acknowledged
where status <> 'unknown' and not exists (select 1 from whistle where whistle.case_id = acknowledged.case_id);

-- name: i1_kept_as_acknowledged
-- What the client was told is what is kept.
select acknowledged.case_id, whistle.number, acknowledged.line, 'intake' as service, whistle.shard, whistle.sequence,
       'acknowledged as ' || coalesce(acknowledged.number, '?') || ' (' || acknowledged.source || ' '
       || coalesce(acknowledged.source_ref, '-') || '), kept as ' || whistle.number || ' (' || whistle.source || ' '
       || coalesce(whistle.source_ref, '-') || ')' as why
from acknowledged join whistle on whistle.case_id = acknowledged.case_id
where acknowledged.number <> whistle.number
   or (acknowledged.source <> '' and acknowledged.source <> whistle.source)
   or (acknowledged.source_ref is not null and acknowledged.source_ref is not whistle.source_ref);

-- name: i1_one_acknowledgement_for_a_reference
-- The same reference, sent again, is answered with the same case.
select min(case_id) as case_id, min(line) as line,
       source || ' ' || source_ref || ' was acknowledged as two cases, also as ' || uuid(max(case_id)) as why
from acknowledged where source_ref is not null and case_id is not null
group by source, source_ref having count(distinct case_id) > 1;

-- name: i1_one_acknowledgement_for_a_key
-- The same idempotency key, sent again to the same door, is answered with the same case.
select min(case_id) as case_id, min(line) as line,
       door || ' ' || idempotency_key || ' was acknowledged as two cases, also as ' || uuid(max(case_id)) as why
from acknowledged where idempotency_key is not null and case_id is not null
group by door, idempotency_key having count(distinct case_id) > 1;

-- name: i2_stage_of_the_last_fact
-- A case stands where its last fact left it.
select last.case_id, stands.number, 'router' as service, last.shard, last.sequence,
       'router.state has it in ' || coalesce(stands.stage, 'no stage') || ', its last fact left it in ' || last.stage as why
from last join stands on stands.case_id = last.case_id and stands.service = 'router'
where last.service = 'router' and last.stage is not null and stands.stage is not last.stage;

-- name: i2_ledger_of_the_last_fact
-- A case stands on the ledger its facts put it on, so the ledgers' totals are those of the log.
select last.case_id, stands.number, 'router' as service, last.shard, last.sequence,
       'router.state has it on ledger ' || coalesce(stands.ledger, 'none') || ', its facts put it on '
       || coalesce(last.ledger, 'none') as why
from last join stands on stands.case_id = last.case_id and stands.service = 'router'
where last.service = 'router' and last.whole and stands.ledger is not last.ledger;

-- name: i2_merged_into_a_case
-- A merged case waits for one that exists, and not for one that is over: that one's closing answers it.
select last.case_id, merged.number, 'router' as service, last.shard, last.sequence,
       'it is merged into ' || coalesce(stands.number, uuid(last.merged_into)) || ', which '
       || case when stands.case_id is null then 'does not exist' else 'is ' || stands.stage end as why
from last
join stands as merged on merged.case_id = last.case_id and merged.service = 'router'
left join stands on stands.case_id = last.merged_into and stands.service = 'router'
where last.service = 'router' and last.merged_into is not null
  and (stands.case_id is null
       or (:quiet and (stands.stage = 'closed' or stands.stage in (select stage from final))));

-- name: i2_final
-- Once drained, every case stands in a final stage.
select case_id, number, 'router' as service,
       'it still stands in ' || coalesce(stage, 'no stage') || ', which is not final' as why
from stands
where :drained and service = 'router' and not exists (select 1 from final where final.stage = stands.stage);

-- name: i3_stated_once
-- Each step of an obligation is stated once.
select case_id, 'sla' as service, shard, max(sequence) as sequence,
       obligation || ' of ' || unit || ', generation ' || generation || ': ' || step(step) || ' was stated '
       || count(*) || ' times' as why
from fired group by case_id, unit, obligation, generation, step having count(*) > 1;

-- name: i3_not_early
-- Nothing is overdue before it is due.
select case_id, 'sla' as service, shard, sequence,
       obligation || ' of ' || unit || ', generation ' || generation || ': ' || step(step) || ' came '
       || ((due_at - fired_at) / 1000.0) || ' ms early' as why
from fired where step >= 0 and fired_at < due_at;

-- name: i3_warning_not_early
-- No warning comes before its time.
select fired.case_id, 'sla' as service, fired.shard, fired.sequence,
       fired.obligation || ' of ' || fired.unit || ', generation ' || fired.generation || ': the warning came '
       || ((deadline.warn_at - fired.fired_at) / 1000.0) || ' ms early' as why
from fired join deadline using (case_id, unit, obligation, generation)
where fired.step = -1 and fired.fired_at < deadline.warn_at;

-- name: i3_due_as_announced
-- It is red at the time that was announced last; an older release announced none.
select fired.case_id, 'sla' as service, fired.shard, fired.sequence,
       fired.obligation || ' of ' || fired.unit || ', generation ' || fired.generation || ': it was due '
       || ((fired.due_at - limited.due_at) / 1000.0) || ' ms after the time that was announced' as why
from fired join limited using (case_id, unit, obligation, generation)
where fired.step = 0 and fired.due_at <> limited.due_at and limited.sequence = (
    select max(before.sequence) from limited as before
    where (before.case_id, before.unit, before.obligation, before.generation)
        = (fired.case_id, fired.unit, fired.obligation, fired.generation)
      and before.sequence < fired.sequence and before.due_at is not null
);

-- name: i3_stated_of_a_deadline
-- What was stated is what happened to a row, the unit's own or that of its successor (`heir`).
select case_id, 'sla' as service, shard, sequence,
       obligation || ' of ' || unit || ', generation ' || generation || ': ' || step(step) || ' was stated, but '
       || case when exists (
              select 1 from deadline
              where (deadline.case_id, deadline.unit, deadline.obligation, deadline.generation)
                  = (fired.case_id, fired.unit, fired.obligation, fired.generation)
          ) then 'its row did not fire then' else 'there is no such deadline' end as why
from fired
where not exists (
    select 1 from deadline
    where (deadline.case_id, deadline.obligation, deadline.generation)
        = (fired.case_id, fired.obligation, fired.generation)
      and (deadline.unit = fired.unit or exists (
          select 1 from heir
          where (heir.case_id, heir.before, heir.unit) = (fired.case_id, fired.unit, deadline.unit)
      ))
      and (fired.step <> 0 or deadline.fired_at is fired.fired_at)
);

-- name: i3_fired_is_stated
-- A row that fired was stated in the log, under its unit's name or that of the unit it succeeded.
select case_id, 'sla' as service,
       obligation || ' of ' || unit || ', generation ' || generation
       || ': its row has fired, but the log never stated it' as why
from deadline
where fired_at is not null and not exists (
    select 1 from fired
    where (fired.case_id, fired.obligation, fired.generation, fired.step)
        = (deadline.case_id, deadline.obligation, deadline.generation, 0)
      and (fired.unit = deadline.unit or exists (
          select 1 from heir
          where (heir.case_id, heir.before, heir.unit) = (deadline.case_id, fired.unit, deadline.unit)
      ))
);

-- name: i3_ended_once
-- Met and cancelled have an end and no next step; armed, overdue and paused have no end.
select case_id, 'sla' as service,
       obligation || ' of ' || unit || ', generation ' || generation || ': it is ' || state
       || ', but its times say otherwise' as why
from deadline
where (state in ('met', 'cancelled')) <> (ended_at is not null) or (next_at is not null and ended_at is not null);

-- name: i3_paused_stands_still
-- Paused, it knows what is left and does nothing more, unless it was past already and nobody has said so yet.
-- Running, nothing is put by.
select case_id, 'sla' as service,
       obligation || ' of ' || unit || ', generation ' || generation || ': it is ' || state
       || case when state <> 'paused' then ', yet something is put by'
               when time_left is null or paused_at is null then ', and nobody knows since when or what is left'
               else ', and yet its next step is set' end as why
from deadline
where (state = 'paused' and (time_left is null or paused_at is null
                             or (next_at is not null and (fired_at is not null or due_at > paused_at))))
   or (state in ('armed', 'overdue') and (time_left is not null or paused_at is not null));

-- name: i3_paused_while_suspended
-- While a case is suspended only its review runs; otherwise nothing stands still.
select deadline.case_id, stands.number, 'sla' as service,
       obligation || ' of ' || unit || ', generation ' || generation || ': it is ' || state || ', its case is '
       || stands.stage as why
from deadline join stands on stands.case_id = deadline.case_id and stands.service = 'router'
where :quiet and ((stands.stage = 'suspended' and obligation <> 'review' and state in ('armed', 'overdue'))
                  or (stands.stage <> 'suspended' and state = 'paused'));

-- name: i3_final_cases_owe_nothing
-- Nothing runs any more for a case that is final, nor for one that is merged into another.
select deadline.case_id, stands.number, 'sla' as service,
       obligation || ' of ' || unit || ', generation ' || generation || ': its case is ' || stands.stage
       || ', but it is still ' || state as why
from deadline
join stands on stands.case_id = deadline.case_id and stands.service = 'router'
where :quiet and state not in ('met', 'cancelled')
  and (stands.stage = 'merged' or stands.stage in (select stage from final));

-- name: i3_who_waits_has_a_deadline
-- In every stage that waits, one of the stage's obligations runs.
select stands.case_id, stands.number, 'sla' as service, 'it waits in ' || stands.stage || ' and no deadline runs' as why
from stands
where :quiet and stands.service = 'router'
  and exists (select 1 from waits where waits.stage = stands.stage)
  and not exists (
      select 1 from deadline join waits on waits.stage = stands.stage and waits.obligation = deadline.obligation
      where deadline.case_id = stands.case_id and deadline.state in ('armed', 'overdue')
  );

-- name: i4_told
-- What a unit must be told stands on its topic.
select case_id, 'router' as service, shard, sequence, 'assignments.' || unit || ' has no ' || kind || ' for it' as why
from expected
where owed and not exists (
    select 1 from told
    where (told.event, told.kind, told.unit, told.assignment, told.says)
        = (expected.event, expected.kind, expected.unit, expected.assignment, expected.says)
);

-- name: i4_limits_passed_on
-- By when a unit that had a part in that round owes something, the router passes on, unless the case was withdrawn
-- meanwhile.
select announced.case_id, 'sla' as service, announced.shard, announced.sequence,
       'the router did not pass on by when ' || announced.unit || ' owes what' as why
from announced
where announced.owed
  and (exists (
          select 1 from given
          where (given.case_id, given.unit, given.round) = (announced.case_id, announced.unit, announced.round)
      ) or exists (
          select 1 from heir where (heir.case_id, heir.unit) = (announced.case_id, announced.unit)
      ))
  and not exists (
      select 1 from last
      where last.service = 'router' and last.case_id = announced.case_id and last.stage = 'withdrawn'
  )
  and not exists (select 1 from passed where (passed.event, passed.case_id) = (announced.event, announced.case_id));

-- name: i4_limits_announced
-- The router tells units of no limits that the clock did not set.
select case_id, 'router' as service, shard, sequence, 'it says by when a unit owes what, but the clock did not' as why
from passed
where not exists (
    select 1 from announced where (announced.event, announced.case_id) = (passed.event, passed.case_id)
);

-- name: i4_nothing_from_nowhere
-- Nothing stands on a unit's topic that no event of the log made.
select case_id, topic, "offset", kind || ' ' || id || ': no event of the router''s log made it' as why
from told
where settled and not exists (
    select 1 from expected
    where (told.event, told.kind, told.unit, told.assignment, told.says)
        = (expected.event, expected.kind, expected.unit, expected.assignment, expected.says)
);

-- name: i4_one_message_for_an_id
-- Repeats of an id are the same bytes.
select max(case_id) as case_id, max(topic) as topic, max("offset") as "offset",
       'the id ' || id || ' is borne by ' || count(distinct digest) || ' different messages' as why
from told group by id having count(distinct digest) > 1;

-- name: i4_one_id_for_a_message
-- Repeats of a message carry the same id.
select max(case_id) as case_id, topic, max("offset") as "offset",
       'one ' || kind || ' stands there under ' || count(distinct id) || ' ids, so its repeats count' as why
from told group by event, kind, unit, assignment having count(distinct id) > 1;

-- name: i4_one_case_for_an_assignment
-- An assignment is a part in one case.
select max(case_id) as case_id, 'router' as service, max(shard) as shard, max(sequence) as sequence,
       'one assignment is given in two cases, also in ' || uuid(min(case_id)) as why
from expected where kind = 'assignment.created.v1'
group by assignment having count(distinct case_id) > 1;

-- name: i4_one_assignment_for_a_unit
-- A decision gives a unit one assignment.
select case_id, 'router' as service, shard, sequence, unit || ' is given ' || count(*) || ' assignments at once' as why
from expected where kind = 'assignment.created.v1' group by event, unit having count(*) > 1;

-- name: i6_states_count
-- A service's state counts as many events of a case as its log has.
select stands.case_id, stands.service, last.shard, last.sequence,
       'its state counts ' || stands.caseseq || ' events, the log''s last one is ' || coalesce(last.caseseq, 0) as why
from stands left join last on last.case_id = stands.case_id and last.service = stands.service
where stands.caseseq <> coalesce(last.caseseq, 0);

-- name: i6_events_have_a_state
-- A case with events has a state.
select last.case_id, last.service, last.shard, last.sequence,
       'the log has ' || last.caseseq || ' events of it, but there is no state' as why
from last
where not exists (select 1 from stands where stands.case_id = last.case_id and stands.service = last.service);
