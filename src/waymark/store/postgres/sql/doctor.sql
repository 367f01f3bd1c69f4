-- name: doctor_settings
-- The server's settings that say whether it keeps its word, and how much it has room for.
select name, setting from pg_catalog.pg_settings
where name in (
    'fsync', 'full_page_writes', 'synchronous_commit', 'autovacuum', 'max_connections',
    'transaction_read_only', 'max_prepared_transactions'
);

-- name: doctor_clock
-- The database's clock, now and not when the transaction began, and its connections.
select
    clock_timestamp() as now,
    (select count(*) from pg_catalog.pg_stat_activity where backend_type = 'client backend')
        as connections,
    pg_is_in_recovery() as standby;

-- name: doctor_relations
-- Tables and indexes of the schema; for an index whether it may be used, for a table its rows.
select
    pg_class.relname as name,
    pg_class.relkind = 'r' as is_table,
    coalesce(pg_index.indisvalid, true) as valid,
    coalesce(pg_stat_user_tables.n_live_tup, 0) as live,
    coalesce(pg_stat_user_tables.n_dead_tup, 0) as dead,
    pg_stat_user_tables.last_autovacuum as vacuumed_at
from pg_catalog.pg_class
join pg_catalog.pg_namespace on pg_namespace.oid = pg_class.relnamespace
left join pg_catalog.pg_index on pg_index.indexrelid = pg_class.oid
left join pg_catalog.pg_stat_user_tables on pg_stat_user_tables.relid = pg_class.oid
where pg_namespace.nspname = $1 and pg_class.relkind in ('r', 'i')
order by pg_class.relname;

-- name: doctor_workers
-- The workers, how long their lease still lasts, and what they say of themselves.
select
    id,
    about::text as about,
    extract(epoch from expires_at - now())::float8 as seconds_left,
    extract(epoch from now() - started_at)::float8 as seconds_alive
from :"schema".workers
order by started_at;

-- name: doctor_blocked
-- Runs that no live process can continue, by what is missing.
select
    workflow, encode(graph, 'hex') as graph, coalesce(reason, '') as reason, count(*) as runs,
    extract(epoch from now() - min(submitted_at))::float8 as seconds
from :"schema".runs
where state < 6 and state <> 3 and state = 5
group by workflow, graph, reason
order by count(*) desc
limit 20;

-- name: doctor_quarantined
-- Runs that stand still because going on would be a guess, by the reason.
select
    workflow, coalesce(reason, '') as reason, count(*) as runs, min(id::text)::uuid as example
from :"schema".runs
where state = 6
group by workflow, reason
order by count(*) desc
limit 20;

-- name: doctor_unclaimed
-- Runs that have waited for an owner for more than `$1` seconds, by queue.
select
    queue, workflow, count(*) as runs,
    extract(epoch from now() - min(submitted_at))::float8 as seconds
from :"schema".runs
where
    state < 6 and state <> 3 and state in (1, 2) and owner is null
    and submitted_at < now() - make_interval(secs => $1)
group by queue, workflow
order by count(*) desc
limit 20;

-- name: doctor_orphans
-- Runs whose owner has no row, which a sweep should have taken up within seconds.
select count(*) as runs
from :"schema".runs
where
    state < 6 and state <> 3 and owner is not null
    and not exists (select from :"schema".workers where workers.id = runs.owner);

-- name: doctor_inbox
-- Messages that nobody has heard for more than `$1` seconds: to runs that live, that have ended,
-- and that are not there.
select
    count(*) filter (where runs.state < 10) as living,
    count(*) filter (where runs.state >= 10) as ended,
    count(*) filter (where runs.id is null) as strange
from :"schema".inbox
left join :"schema".runs on runs.id = inbox.run_id
where inbox.sent_at < now() - make_interval(secs => $1);

-- name: doctor_holders
-- What keeps dead rows from being removed for more than `$1` seconds.
select
    'session ' || pid || ' (' || coalesce(nullif(application_name, ''), 'unnamed') || ', '
    || coalesce(state, 'unknown') || ')' as holder,
    extract(epoch from now() - xact_start)::float8 as seconds
from pg_catalog.pg_stat_activity
where
    backend_type = 'client backend' and pid <> pg_backend_pid()
    and xact_start < now() - make_interval(secs => $1)
union all
select
    'prepared transaction ' || gid as holder,
    extract(epoch from now() - prepared)::float8 as seconds
from pg_catalog.pg_prepared_xacts
where prepared < now() - make_interval(secs => $1)
order by seconds desc
limit 10;

-- name: doctor_slots
-- Replication slots that hold old rows or old log although nobody uses them.
select slot_name::text as name
from pg_catalog.pg_replication_slots
where not active;
