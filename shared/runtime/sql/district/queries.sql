-- name: in_force
-- Which version of each of these kinds is in force.
select kind, number from district.in_force where kind = any(:kinds::text[]);

-- name: version^
-- One version, whole.
select number, label, content, digest, imported_by, imported_at, note from district.version where kind = :kind::text and number = :number::bigint;

-- name: present^
-- The version of a kind that is in force, with what tells whether another is the same.
select number, label, content, digest
from district.in_force join district.version using (kind, number) where kind = :kind::text;

-- name: versions
-- Every version of a kind, newest first, a page.
select number, label, imported_by, imported_at, note, octet_length(content) as bytes,
       number = (select number from district.in_force where kind = :kind::text) as in_force
from district.version where kind = :kind and number < :before::bigint order by number desc limit :most::integer;

-- name: may_think!
-- A large city's file is checked for seconds in which the database hears nothing; no head is locked meanwhile.
set local idle_in_transaction_session_timeout = 0;

-- name: one_at_a_time!
-- Let no other import begin until this transaction ends: units and rules are checked against each other.
select pg_advisory_xact_lock(hashtextextended('district', 0));

-- name: add$
-- Add a version of a kind and return its number.
insert into district.version (kind, number, label, content, digest, imported_by, note)
select :kind::text, coalesce(max(number), 0) + 1, :label::text, :content::bytea, :digest::bytea, :by::text, :note::text
from district.version where kind = :kind
returning number;

-- name: put_in_force!
-- Let a version be the one that decides.
insert into district.in_force (kind, number) values (:kind::text, :number::bigint)
on conflict (kind) do update set number = excluded.number;
