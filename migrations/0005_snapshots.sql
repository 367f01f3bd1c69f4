-- oldest-code: 2
--
-- Snapshots of runs with a long journal, so that recovery need not feed all of it. The
-- journal stays whole: a snapshot that is lost or of no use costs time and nothing else.

create table :"schema".snapshots (
    run_id    uuid        not null,
    seq       integer     not null,
    epoch     integer     not null,
    digest    integer     not null,
    taken_at  timestamptz not null default now(),
    graph     bytea       not null,
    writer    text        not null,
    payload   bytea       not null,
    primary key (run_id, seq)
) with (
    autovacuum_vacuum_threshold = 100,
    autovacuum_vacuum_scale_factor = 0
);

comment on table :"schema".snapshots is 'What a run was in memory after an entry of its journal; the newest of each run.';
comment on column :"schema".snapshots.seq is 'The last entry of the journal that is in it.';
comment on column :"schema".snapshots.writer is 'Format, kind and version of the Python that wrote it, and alone can read it.';
