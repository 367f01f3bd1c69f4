-- oldest-code: 2
--
-- Crashes of runs, counted apart from failed attempts; what attempts under way have
-- said of themselves; and failed attempts for people.

-- Written by claims alone, and null for nearly every run, so that they take no room.
alter table :"schema".runs add column crashes smallint;
alter table :"schema".runs add column crash_seq integer;

comment on column :"schema".runs.crashes is
    'How many owners in a row died without the run recording anything; null is none.';
comment on column :"schema".runs.crash_seq is
    'The last entry of the journal when the run was claimed after its last crash.';

-- One row for each call that beat or that has a limit over all its attempts; gone soon
-- after the call's end. Written by the run's owner, at its epoch, beside the flushes.
create table :"schema".attempts (
    run_id      uuid        not null,
    effect      integer     not null,
    attempt     integer     not null,
    since_ns    bigint      not null,
    progress    bytea,
    written_at  timestamptz not null default now(),
    primary key (run_id, effect)
) with (
    fillfactor = 50,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_scale_factor = 0
);

comment on table :"schema".attempts is
    'What attempts that are under way have reported, for the attempt after a crash.';
comment on column :"schema".attempts.since_ns is 'When the first attempt of the call began.';

-- For people: each failed attempt, the last one of a call as well. `again_at` is null where
-- there was no other.
create view :"schema".failed_attempts as
select
    failed.run_id,
    failed.seq,
    failed.effect,
    failed.node,
    failed.attempt,
    to_timestamp(failed.at_ns / 1e9) as failed_at,
    to_timestamp(failed.again_ns / 1e9) as again_at,
    failed.error -> 'v' ->> 'class' as error,
    failed.error -> 'v' -> 'args' as arguments,
    failed.error -> 'v' ->> 'traceback' as traceback
from (
    select
        entry.run_id,
        entry.seq,
        entry.effect,
        entry.node,
        entry.at_ns,
        (record.tree ->> 0)::integer as attempt,
        (record.tree ->> 1)::numeric as again_ns,
        record.tree -> 2 as error
    from :"schema".journal as entry
    cross join lateral (
        select convert_from(entry.payload, 'UTF8')::json as tree
    ) as record
    where entry.kind = 7
    union all
    select
        entry.run_id,
        entry.seq,
        entry.effect,
        entry.node,
        entry.at_ns,
        1 + (
            select count(*)::integer from :"schema".journal as before
            where
                before.run_id = entry.run_id and before.effect = entry.effect
                and before.kind = 7 and before.seq < entry.seq
        ) as attempt,
        null as again_ns,
        convert_from(entry.payload, 'UTF8')::json as error
    from :"schema".journal as entry
    where entry.kind = 2
) as failed;

comment on view :"schema".failed_attempts is
    'Failed attempts of action calls, with their errors. Ask for one run at a time.';
