-- name: put_snapshot
-- Keeps a snapshot of a run and removes those before it. Only its owner at its epoch does so, which
-- the worker's row fences as in a flush, and only of entries that are committed.
with fence as materialized (
    select id from :"schema".workers where id = $1 for key share
),
owned as materialized (
    select runs.id
    from fence
    join :"schema".runs on runs.owner = fence.id
    where
        runs.id = $2
        and runs.epoch = $4
        and exists (
            select from :"schema".journal where journal.run_id = $2 and journal.seq = $3
        )
),
older as (
    delete from :"schema".snapshots using owned
    where snapshots.run_id = owned.id and snapshots.seq < $3
)
insert into :"schema".snapshots (run_id, seq, epoch, graph, writer, digest, payload)
select owned.id, $3, $4, $5, $6, $7, $8 from owned
on conflict (run_id, seq) do update set seq = excluded.seq
returning run_id;

-- name: read_snapshots
-- The newest snapshot of each run.
select distinct on (run_id) run_id, seq, epoch, graph, writer, digest, payload
from :"schema".snapshots
where run_id = any ($1::uuid[])
order by run_id, seq desc;

-- name: forget_snapshots
-- Removes the snapshots of runs that have ended.
delete from :"schema".snapshots using :"schema".runs
where snapshots.run_id = any ($1::uuid[]) and runs.id = snapshots.run_id and runs.state >= 10;
