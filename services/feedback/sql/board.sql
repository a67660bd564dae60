-- name: board_page
-- Entries on the public board, closed last first, before a place in that order.
select case_id, (state -> 'publication')::text as publication
from state
where board_closed_at is not null
  and board_hidden is null
  and (:regions::text[] is null or board_region = any(:regions::text[]))
  and (:category::text is null or board_category = :category::text)
  and board_closed_at >= :closed_from::text
  and board_closed_at < :closed_before::text
  and (board_closed_at, case_id) < (:before_closed_at::text, :before_case_id::uuid)
order by board_closed_at desc, case_id desc
limit :most::integer;

-- name: board_figures^
-- What was closed between two moments: how many, in time, satisfied, and how many are not shown, and why.
select
    count(*) as closed,
    count(*) filter (where (state #>> '{publication,on_time}')::boolean) as on_time,
    count(*) filter (where state #>> '{publication,on_time}' is not null) as timed,
    count(*) filter (where state #>> '{publication,satisfaction}' = 'satisfied') as satisfied,
    count(*) filter (where state #>> '{publication,satisfaction}' = 'basically_satisfied') as basically_satisfied,
    count(*) filter (where state #>> '{publication,satisfaction}' is not null) as rated,
    count(*) filter (where board_hidden = 'confidential') as confidential,
    count(*) filter (where board_hidden = 'report') as report,
    count(*) filter (where board_hidden = 'petition') as petition,
    count(*) filter (where board_hidden = 'withheld') as withheld,
    count(*) filter (where board_hidden = 'reworked') as reworked
from state
where board_closed_at >= :closed_from::text
  and board_closed_at < :closed_before::text;

-- name: board_categories
-- The categories of what is shown.
select distinct board_category as category
from state
where board_closed_at is not null and board_hidden is null and board_category is not null
order by board_category;
