-- oldest-code: 2
--
-- Tasks: attempts of action calls that any process may make, not only the owner of the run. A run
-- that no other process has to help with never has a row here. Code of before leaves the table
-- alone, and a run with rows that such code takes up makes those attempts once more.

-- A row means the same whoever owns the run: it is keyed by the call, and the run's owner alone
-- journals what became of it. `claim` counts how often the row was taken, so that what an earlier
-- claimer still writes is refused.
create table :"schema".tasks (
    run_id         uuid             not null,
    effect         integer          not null,
    attempt        integer          not null,
    offered_at     timestamptz      not null default now(),
    claimer        uuid,
    claim          integer          not null default 0,
    lost           integer          not null default 0,
    verdict        smallint,
    pause_seconds  double precision,
    queue          text             not null,
    action         text             not null,
    workflow       text             not null,
    options        bytea            not null,
    arguments      bytea            not null,
    outcome        bytea,
    primary key (run_id, effect)
) with (
    fillfactor = 70,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_cost_delay = 1
);

comment on table :"schema".tasks is
    'Attempts that any process may make; gone once the run''s journal has what became of them.';
comment on column :"schema".tasks.lost is 'How many processes died while they made this attempt.';

-- Oldest first, for claimers. Rows that have their outcome are not in it.
create index tasks_open on :"schema".tasks (queue, offered_at) where verdict is null;

-- For owners.
create index tasks_done on :"schema".tasks (run_id) where verdict is not null;

create view :"schema".tasks_readable as
select
    run_id,
    effect,
    attempt,
    action,
    queue,
    offered_at,
    case
        when verdict is not null then 'done'
        when claimer is null then 'waiting'
        when exists (select from :"schema".workers where workers.id = tasks.claimer) then 'claimed'
        else 'lost'
    end as state,
    claimer,
    lost,
    case verdict when 1 then 'result' when 2 then 'error' when 3 then 'again' end as verdict,
    convert_from(arguments, 'UTF8') as arguments,
    convert_from(outcome, 'UTF8') as outcome
from :"schema".tasks;
