-- oldest-code: 1
--
-- Graphs, runs, journal and workers.
--
-- Each key begins with the run's id, or the table is tiny, so that `runs` and
-- `journal` can be partitioned or distributed by it later. There are no foreign
-- keys between them: the writer's epoch check holds what a foreign key would, and
-- costs one lookup for each run of a batch instead of one for each row.

-- `json`, not `jsonb`: a graph comes back character for character, and is read in
-- psql all the same.
create table :"schema".graphs (
    hash        bytea       not null primary key,
    workflow    text        not null,
    document    json        not null,
    created_at  timestamptz not null default now()
);

comment on table :"schema".graphs is 'One row for each version of a workflow, by the hash of its content.';

-- A worker is alive exactly while its row exists. Beats change columns outside
-- every key, so that they never wait for a flush, which holds the row FOR KEY SHARE.
create table :"schema".workers (
    id          uuid        not null primary key,
    started_at  timestamptz not null default now(),
    expires_at  timestamptz not null,
    writers     integer[]   not null default '{}',
    about       json        not null
) with (
    fillfactor = 50,
    autovacuum_vacuum_threshold = 200,
    autovacuum_vacuum_scale_factor = 0
);

comment on table :"schema".workers is 'Live processes. Who has no row is dead, and its runs are free.';
comment on column :"schema".workers.writers is
    'For each lane of the writer the number of its newest connection; statements of an older one are fenced.';

create table :"schema".runs (
    id            uuid        not null primary key,
    submitted_at  timestamptz not null default now(),
    finished_at   timestamptz,
    began_ns      bigint      not null,
    owner         uuid,
    epoch         integer     not null,
    end_digest    integer,
    state         smallint    not null,
    graph         bytea       not null,
    workflow      text        not null,
    queue         text        not null,
    input         bytea       not null,
    result        bytea,
    reason        text
) with (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 1
);

comment on table :"schema".runs is 'One row for each run. Only its owner, at its epoch, writes it.';

-- Runs that somebody has to see to: not ended, and not quarantined (6). It serves
-- the sweep for runs without an owner and the one for runs of dead owners, and
-- says for each of them which graphs wait there, without reading the runs.
create index runs_live on :"schema".runs (owner, graph, queue, submitted_at) where state < 6;

-- Runs that wait for an owner, without those of which it is known why. So a sweep
-- that says why, again and again, does not read those it has said it of. No run that
-- is claimed when it is submitted ever enters here.
create index runs_unexplained on :"schema".runs (graph) where owner is null and state < 5;

create table :"schema".journal (
    run_id   uuid     not null,
    at_ns    bigint   not null,
    seq      integer  not null,
    epoch    integer  not null,
    effect   integer  not null,
    node     integer  not null,
    digest   integer  not null,
    kind     smallint not null,
    payload  bytea    not null,
    primary key (run_id, seq)
) with (
    autovacuum_vacuum_insert_scale_factor = 0.1,
    autovacuum_vacuum_cost_delay = 1
);

comment on table :"schema".journal is 'Everything that entered the engine of a run, in order. Rows are never changed.';

-- For people. Payloads are JSON text in UTF-8; `kind` and `state` get their names.
create view :"schema".runs_readable as
select
    id,
    workflow,
    case state
        when 0 then 'scheduled' when 1 then 'ready' when 2 then 'running' when 3 then 'waiting'
        when 4 then 'paused' when 5 then 'blocked' when 6 then 'quarantined'
        when 10 then 'succeeded' when 11 then 'failed' when 12 then 'cancelled'
        when 13 then 'terminated'
    end as state,
    reason,
    queue,
    submitted_at,
    finished_at,
    owner,
    epoch,
    convert_from(input, 'UTF8') as input,
    convert_from(result, 'UTF8') as result,
    encode(graph, 'hex') as graph
from :"schema".runs;

create view :"schema".journal_readable as
select
    run_id,
    seq,
    case kind
        when 1 then 'result' when 2 then 'error' when 3 then 'cancelled' when 4 then 'tape'
        when 5 then 'timer' when 6 then 'claim'
    end as kind,
    effect,
    node,
    to_timestamp(at_ns / 1e9) as at,
    epoch,
    convert_from(payload, 'UTF8') as payload
from :"schema".journal;
