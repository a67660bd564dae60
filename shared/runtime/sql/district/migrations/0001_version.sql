-- The district's set-up, one schema for all services: every version that ever was in force, and which is now.

create table version (
    kind text not null,
    number bigint not null,
    label text not null,
    content bytea not null,
    digest bytea not null,
    imported_by text not null,
    imported_at timestamptz not null default clock_timestamp(),
    note text not null default '',
    primary key (kind, number)
);

create table in_force (
    kind text primary key,
    number bigint not null,
    foreign key (kind, number) references version (kind, number)
);
