-- name: has_migrations
-- Whether the table of migrations is there.
select exists (
    select from pg_catalog.pg_class
    join pg_catalog.pg_namespace on pg_namespace.oid = pg_class.relnamespace
    where pg_namespace.nspname = $1 and pg_class.relname = 'migrations'
) as present;

-- name: applied_migrations
-- What was applied, in order.
select number, name, checksum, oldest_code from :"schema".migrations order by number;

-- name: lock_migrations
-- Lets one process migrate at a time, until its transaction ends.
select pg_advisory_xact_lock(hashtextextended('waymark.migrations.' || $1::text, 0));

-- name: has_schema
-- Whether the schema is there, whatever it holds.
select exists (select from pg_catalog.pg_namespace where nspname = $1) as present;

-- name: create_schema
-- Makes the schema; asked only when it is missing, since even `if not exists` needs the right.
create schema :"schema";

-- name: create_migrations
-- Makes the table that says what was applied.
create table :"schema".migrations (
    number       integer     not null primary key,
    name         text        not null,
    checksum     text        not null,
    oldest_code  integer     not null,
    applied_at   timestamptz not null default now()
);

-- name: record_migration
-- Notes that a migration was applied.
insert into :"schema".migrations (number, name, checksum, oldest_code) values ($1, $2, $3, $4);
