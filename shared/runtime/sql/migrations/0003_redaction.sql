-- 依法删除: what the law orders forgotten. One person asks, another approves; then the words of a case's events go.
-- A service may not change its log; this function does, and no more than this: bytes that an approved redaction names
-- become null. Digests, hashes, places and the rows themselves stay.

create table redaction (
    number bigint generated always as identity primary key,
    case_id uuid not null,
    reason text not null check (reason <> ''),
    basis text not null check (basis <> ''),
    asked_by text not null,
    asked_at timestamptz not null default clock_timestamp(),
    approved_by text check (approved_by <> asked_by),
    done_at timestamptz,
    check ((approved_by is null) = (done_at is null))
);

create function forget(redaction_number bigint, sequences bigint[]) returns bigint
language plpgsql security definer set search_path from current
as $$
declare
    forgotten bigint;
begin
    update log set event = null
    from redaction
    where redaction.number = redaction_number and redaction.approved_by is not null
      and log.case_id = redaction.case_id and log.sequence = any(sequences) and log.event is not null;
    get diagnostics forgotten = row_count;
    return forgotten;
end;
$$;
