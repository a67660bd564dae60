-- Intake's own tables, in its own schema, after the runtime's. Columns made from the state serve the lists.

alter table state
    add column stage text generated always as (state ->> 'stage') stored,
    add column region text generated always as (state -> 'matter' ->> 'region') stored,
    add column number text generated always as (state -> 'matter' ->> 'number') stored,
    add column source text generated always as (state -> 'matter' ->> 'source') stored,
    add column source_ref text generated always as (state -> 'matter' ->> 'source_ref') stored;

create unique index state_by_number on state (number);
create unique index state_by_ref on state (source, source_ref) where source_ref is not null;
create index state_verifying on state (region, case_id) where stage = 'verifying';

create table reporter (
    id uuid primary key,
    case_id uuid not null,
    key text not null,
    sealed bytea not null,
    phone_hash bytea,
    received_at timestamptz not null default clock_timestamp()
);
create index reporter_by_phone on reporter (phone_hash) where phone_hash is not null;
comment on table reporter is 'Names and phones, enciphered (AES-256-GCM); phone_hash is keyed (HMAC-SHA256).';

-- The last six digits of a case number. Unique together with the date for up to a million whistles a day.
create sequence case_number minvalue 1 maxvalue 999999 cycle;
