-- What is asked again and again so that people can watch.

-- How many dead letters wait, without reading those that were replayed.
create index dead_letter_waiting on dead_letter (kind) where replayed_at is null;

-- How many seconds the oldest transaction of this database is open; 0 where there is none. A service's role sees only
-- its own sessions, but a forgotten one of anybody keeps every table from being cleaned up: so it may ask for this
-- number, and for nothing else about them.
create function oldest_transaction() returns double precision
language sql volatile security definer set search_path = pg_catalog
as $$
    select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)::double precision
    from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
$$;
