-- name: take_out_parts!
-- Take out parts that are gone, by their names.
delete from part
using unnest(:case_ids::uuid[], :units::text[], :rounds::integer[]) as gone (case_id, unit, round)
where part.case_id = gone.case_id and part.unit = gone.unit and part.round = gone.round;

-- name: save_reviews!
-- Save reviews, and what is measured of their cases: parts and wholes, each new or changed. Any may be empty.
with saved as (
    insert into state (case_id, caseseq, state)
    select case_id, caseseq, state::jsonb
    from unnest(:case_ids::uuid[], :caseseqs::integer[], :states::text[]) as new (case_id, caseseq, state)
    on conflict (case_id) do update set caseseq = excluded.caseseq, state = excluded.state
),
saved_parts as (
    insert into part (
        case_id, unit, round, number, lead, level, category, region, source, urgency, assigned_at, sign_in_at,
        sign_in_late, contact_at, contact_late, handle_at, handle_late, done_at, refused_at, extended_at, reworked_at,
        supervised_at, on_ledger_at, off_ledger_at, written_off, rated_at, contact_score, speed_score, result_score,
        answered_at, contacted, solved, satisfaction, silent_at, excluded, spells_began, spells_ended
    )
    select
        case_id, unit, round, number, lead, level, category, region, source, urgency, assigned_at, sign_in_at,
        sign_in_late, contact_at, contact_late, handle_at, handle_late, done_at, refused_at, extended_at, reworked_at,
        supervised_at, on_ledger_at, off_ledger_at, written_off, rated_at, contact_score, speed_score, result_score,
        answered_at, contacted, solved, satisfaction, silent_at, excluded, spells_began, spells_ended
    from jsonb_populate_recordset(null::part, :parts::jsonb)
    on conflict (case_id, unit, round) do update set
        (
            number, lead, level, category, region, source, urgency, assigned_at, sign_in_at, sign_in_late, contact_at,
            contact_late, handle_at, handle_late, done_at, refused_at, extended_at, reworked_at, supervised_at,
            on_ledger_at, off_ledger_at, written_off, rated_at, contact_score, speed_score, result_score, answered_at,
            contacted, solved, satisfaction, silent_at, excluded, spells_began, spells_ended
        ) = row(
            excluded.number, excluded.lead, excluded.level, excluded.category, excluded.region, excluded.source,
            excluded.urgency, excluded.assigned_at, excluded.sign_in_at, excluded.sign_in_late, excluded.contact_at,
            excluded.contact_late, excluded.handle_at, excluded.handle_late, excluded.done_at, excluded.refused_at,
            excluded.extended_at, excluded.reworked_at, excluded.supervised_at, excluded.on_ledger_at,
            excluded.off_ledger_at, excluded.written_off, excluded.rated_at, excluded.contact_score,
            excluded.speed_score, excluded.result_score, excluded.answered_at, excluded.contacted, excluded.solved,
            excluded.satisfaction, excluded.silent_at, excluded.excluded, excluded.spells_began, excluded.spells_ended
        )
)
insert into whole (
    case_id, number, whistle_blower, level, category, region, source, urgency, received_at, declined_at, withdrawn_at,
    merged_at, closed_at, reopened_at, sampled_at, sample_checked_at, sample_passed, closings, reopenings
)
select
    case_id, number, whistle_blower, level, category, region, source, urgency, received_at, declined_at, withdrawn_at,
    merged_at, closed_at, reopened_at, sampled_at, sample_checked_at, sample_passed, closings, reopenings
from jsonb_populate_recordset(null::whole, :wholes::jsonb)
on conflict (case_id) do update set
    (
        number, whistle_blower, level, category, region, source, urgency, received_at, declined_at, withdrawn_at,
        merged_at, closed_at, reopened_at, sampled_at, sample_checked_at, sample_passed, closings, reopenings
    ) = row(
        excluded.number, excluded.whistle_blower, excluded.level, excluded.category, excluded.region, excluded.source,
        excluded.urgency, excluded.received_at, excluded.declined_at, excluded.withdrawn_at, excluded.merged_at,
        excluded.closed_at, excluded.reopened_at, excluded.sampled_at, excluded.sample_checked_at,
        excluded.sample_passed, excluded.closings, excluded.reopenings
    );

-- name: measured_in^
-- How many parts and wholes a period may have to look at.
select
    (select count(*) from part where last_at >= :starts_at::timestamptz and first_at < :ends_at::timestamptz) as parts,
    (
        select count(*) from whole where last_at >= :starts_at::timestamptz and received_at < :ends_at::timestamptz
    ) as wholes;

-- name: parts_in
-- The parts that may count in a period.
select
    case_id, number, unit, round, lead, level, category, region, source, urgency, assigned_at,
    sign_in_at, sign_in_late, contact_at, contact_late, handle_at, handle_late, done_at,
    refused_at, extended_at, reworked_at, supervised_at, on_ledger_at, off_ledger_at, written_off,
    rated_at, contact_score, speed_score, result_score,
    answered_at, contacted, solved, satisfaction, silent_at, excluded, spells_began, spells_ended
from part
where last_at >= :starts_at::timestamptz and first_at < :ends_at::timestamptz;

-- name: wholes_in
-- The wholes that may count in a period.
select
    case_id, number, whistle_blower, level, category, region, source, urgency, received_at, declined_at, withdrawn_at,
    merged_at, closed_at, reopened_at, sampled_at, sample_checked_at, sample_passed, closings, reopenings
from whole
where last_at >= :starts_at::timestamptz and received_at < :ends_at::timestamptz;

-- name: parts_behind
-- The parts of a unit that may count in a period, after a place in their order.
select
    case_id, number, unit, round, lead, level, category, region, source, urgency, assigned_at,
    sign_in_at, sign_in_late, contact_at, contact_late, handle_at, handle_late, done_at,
    refused_at, extended_at, reworked_at, supervised_at, on_ledger_at, off_ledger_at, written_off,
    rated_at, contact_score, speed_score, result_score,
    answered_at, contacted, solved, satisfaction, silent_at, excluded, spells_began, spells_ended
from part
where unit = :unit::text
  and last_at >= :starts_at::timestamptz
  and first_at < :ends_at::timestamptz
  and (case_id, round) > (:after_case::uuid, :after_round::integer)
order by case_id, round
limit :most::integer;
