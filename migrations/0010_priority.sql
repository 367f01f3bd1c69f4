-- oldest-code: 9
--
-- How urgent a run is: of what is free, the highest priority is claimed first, then the oldest.
-- And runs that were submitted with a delay sleep (state 3) without ever having been claimed.

alter table :"schema".runs add column priority smallint not null default 0;

comment on column :"schema".runs.priority is 'Higher is claimed first; 0 unless asked otherwise.';

drop index :"schema".runs_live;
create index runs_live on :"schema".runs (owner, graph, queue, priority desc, submitted_at)
    where state < 6 and state <> 3;

create or replace view :"schema".runs_readable as
select
    id,
    workflow,
    case case when state = 3 and epoch = 0 then 0 else state end
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
    encode(graph, 'hex') as graph,
    wake_at,
    parent,
    priority
from :"schema".runs;
