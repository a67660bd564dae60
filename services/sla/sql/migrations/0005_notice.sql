-- 通知: what people are told of deadlines. notice = one step of a deadline for one recipient, a unit and a post; it waits
-- until it has a fate. mailbox = one row for each recipient: when it was last told anything (released_at), and when it
-- is to be told next (release_at, null = nothing waits); whoever notes or releases for a recipient has its row locked.
-- digest = what a recipient was told at once. Its number is taken under the lock of digest_head until the commit, so
-- that numbers have no gaps and become visible in order. What was stated before this release is nobody's news.

create table notice_cursor (
    shard smallint primary key,
    sequence bigint not null
) with (fillfactor = 50);
insert into notice_cursor select shard, sequence from head;

create table mailbox (
    unit text not null,
    post text not null,
    released_at timestamptz,
    release_at timestamptz,
    primary key (unit, post)
) with (fillfactor = 50);
create index mailbox_due on mailbox (release_at) where release_at is not null;

create table notice (
    number bigint generated always as identity primary key,
    unit text not null,
    post text not null,
    case_id uuid not null,
    case_number text not null,
    owed_by text,
    obligation text not null,
    generation smallint not null,
    step smallint not null,
    urgency text not null,
    due_at timestamptz not null,
    stated_at timestamptz not null,
    changes text[] not null,
    noted_at timestamptz not null,
    fate text check (fate in ('told', 'superseded', 'resolved')),
    digest bigint,
    decided_at timestamptz,
    check ((fate is null) = (decided_at is null)),
    check ((digest is not null) = (fate is not null and fate = 'told'))
) with (fillfactor = 85);
create index notice_waiting on notice (unit, post, number) include (noted_at) where fate is null;
create index notice_decided on notice (decided_at) where fate is not null;

create table digest_head (
    only_row boolean primary key default true check (only_row),
    last bigint not null
) with (fillfactor = 50);
insert into digest_head (last) values (0);

create table digest (
    number bigint primary key,
    unit text not null,
    post text not null,
    released_at timestamptz not null,
    content jsonb not null
);
create index digest_of_unit on digest (unit, number);
create index digest_released on digest (released_at);

create table digest_read (
    number bigint not null references digest on delete cascade,
    person text not null,
    read_at timestamptz not null,
    primary key (number, person)
);
