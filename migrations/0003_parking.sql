-- oldest-code: 3
--
-- Parking: a run that waits for long leaves its owner's memory. It is then in state 3, without
-- an owner, and somebody claims it again when `wake_at` comes near. Code 2 would end a child
-- without waking the parent that waits for it, and the parent would sleep for ever.

alter table :"schema".runs add column wake_at timestamptz;
alter table :"schema".runs add column parent uuid;

comment on column :"schema".runs.wake_at is
    'When a run in state 3 is to be claimed again; infinity when only its children or a message can wake it.';
comment on column :"schema".runs.parent is 'The run that asked for this one and waits for its end.';

-- The runs that sleep have an index of their own, so that a million of them do not stand in the
-- way of a claim. The sweep asks it for what is due of each graph and queue.
create index runs_waiting on :"schema".runs (graph, queue, wake_at) where state = 3;

-- These were indexes of all live runs; now of those that somebody has to see to at once.
drop index :"schema".runs_live;
create index runs_live on :"schema".runs (owner, graph, queue, submitted_at)
    where state < 6 and state <> 3;

drop index :"schema".runs_unexplained;
create index runs_unexplained on :"schema".runs (graph)
    where owner is null and state < 5 and state <> 3;

create or replace view :"schema".runs_readable as
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
    encode(graph, 'hex') as graph,
    wake_at,
    parent
from :"schema".runs;
