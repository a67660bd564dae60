-- name: add_parts!
-- Made-up parts of cases: three in ten have a second unit, one in twelve is late, one in five has no resident's answer.
insert into part (
    case_id, unit, round, number, lead, level, category, region, source, urgency, assigned_at,
    sign_in_at, sign_in_late, contact_at, contact_late, handle_at, handle_late, done_at,
    refused_at, extended_at, reworked_at, supervised_at, on_ledger_at, off_ledger_at, written_off,
    rated_at, contact_score, speed_score, result_score,
    answered_at, contacted, solved, satisfaction, silent_at, excluded, spells_began, spells_ended
)
select
    lpad(to_hex(number), 32, '0')::uuid,
    (:units::text[])[1 + (number * 7 + place * 3) % cardinality(:units::text[])],
    1,
    'BENCH-' || lpad(number::text, 10, '0'),
    lead,
    (array['community', 'street', 'department'])[1 + number % 3],
    'category ' || number % 20,
    (:regions::text[])[1 + number % cardinality(:regions::text[])],
    (array['hotline_12345', 'community', 'resident'])[1 + number / 7 % 3],
    'normal',
    begins,
    begins + interval '20 minutes', mark = 1,
    begins + interval '2 hours', mark = 2,
    begins + interval '3 days', mark = 3,
    begins + interval '3 days',
    case when mark = 4 then begins + interval '1 hour' end,
    case when mark = 5 then begins + interval '2 days' end,
    case when mark = 6 then begins + interval '4 days' end,
    case when mark = 7 then begins + interval '3 days' end,
    case when lead then begins end,
    case when lead and mark <> 8 then begins + interval '5 days' end,
    lead and mark <> 8,
    begins + interval '4 days', 1 + score % 5, 1 + score / 5 % 5, 1 + score / 25 % 5,
    case when answers then begins + interval '4 days' end,
    case when answers then mark <> 9 end,
    case when answers then mark not in (9, 10) end,
    case when answers then (array['satisfied', 'basically_satisfied', 'unsatisfied'])[1 + score / 3 % 3] end,
    case when lead and not answers then begins + interval '5 days' end,
    case when mark = 11 then array['handle'] else array[]::text[] end,
    array[]::timestamptz[],
    array[]::timestamptz[]
from generate_series(:first::bigint, :last::bigint) as number
cross join lateral generate_series(0, case when number % 10 < 3 then 1 else 0 end) as place
cross join lateral (
    select
        place = 0 as lead,
        place = 0 and number % 5 > 0 as answers,
        number * 31 % 12 as mark,
        number * 17 % 125 as score,
        :starts_at::timestamptz + make_interval(secs => number * 97 % :seconds::bigint) as begins
) as made;

-- name: add_wholes!
-- The made-up cases themselves.
insert into whole (
    case_id, number, whistle_blower, level, category, region, source, urgency, received_at, closed_at,
    closings, reopenings
)
select
    lpad(to_hex(number), 32, '0')::uuid,
    'BENCH-' || lpad(number::text, 10, '0'),
    (:regions::text[])[1 + number % cardinality(:regions::text[])],
    (array['community', 'street', 'department'])[1 + number % 3],
    'category ' || number % 20,
    (:regions::text[])[1 + number % cardinality(:regions::text[])],
    (array['hotline_12345', 'community', 'resident'])[1 + number / 7 % 3],
    'normal',
    begins,
    begins + interval '5 days',
    array[begins + interval '5 days'],
    array[]::timestamptz[]
from generate_series(:first::bigint, :last::bigint) as number
cross join lateral (
    select :starts_at::timestamptz + make_interval(secs => number * 97 % :seconds::bigint) as begins
) as made;
