-- name: server_process
-- The process that serves this statement; a pooler names another in its greeting.
select pg_backend_pid();

-- name: register_worker
-- Makes a worker live for `$2` seconds.
insert into :"schema".workers (id, expires_at, about)
values ($1, now() + make_interval(secs => $2), $3)
on conflict (id) do update set expires_at = excluded.expires_at, about = excluded.about;

-- name: beat
-- Prolongs a lease by a change of no key, which does not wait for a flush.
update :"schema".workers
set expires_at = now() + make_interval(secs => $2)
where id = $1
returning id;

-- name: remove_worker
-- Ends a worker's life: its runs are free for others.
delete from :"schema".workers where id = $1;

-- name: reap_workers
-- Declares death: deletes expired and proven dead workers, but none that a flush holds.
delete from :"schema".workers
where id in (
    select id from :"schema".workers
    where expires_at < now() or id = any ($1::uuid[])
    for update skip locked
)
returning id;

-- name: list_workers
-- The live workers.
select id from :"schema".workers;

-- name: adopt_lane
-- Makes this connection the only writer of a lane: waits for what an older connection of it is
-- still doing (the lock conflicts with a flush's), and fences whatever it would do from now on.
with worker as materialized (
    select id from :"schema".workers where id = $1 for update
)
update :"schema".workers
set writers[$2] = coalesce(workers.writers[$2], 0) + 1
from worker
where workers.id = worker.id
returning workers.writers[$2] as writer;
