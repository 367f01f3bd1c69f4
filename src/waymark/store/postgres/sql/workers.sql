-- name: server_process
-- The process that serves this statement; a pooler names another in its greeting.
select pg_backend_pid();

-- name: register_worker
-- Makes a worker live for `$2` seconds, and tells the time.
insert into :"schema".workers (id, expires_at, about)
values ($1, now() + make_interval(secs => $2), $3)
on conflict (id) do update set expires_at = excluded.expires_at, about = excluded.about
returning (extract(epoch from clock_timestamp()) * 1000000)::bigint as clock_us;

-- name: beat
-- Prolongs a lease by a change of no key, which does not wait for a flush. `$3` says that this very
-- session holds the worker's lock (`witness`), under the server that runs now.
update :"schema".workers
set
    expires_at = now() + make_interval(secs => $2),
    witnessed = case when $3 then pg_postmaster_start_time() end
where id = $1
returning id;

-- name: witness
-- Takes the lock that proves a worker's life, for as long as this session lasts. It is shared,
-- since a session that the server has not yet given up may still hold it. Behind a pooler the
-- session is not the client's: the process that the client was told of is not the one that answers.
select case
    when pg_backend_pid() = $2::integer
        then pg_try_advisory_lock_shared(hashtextextended('waymark.worker.' || $1::uuid::text, 0))
    else false
end as witnessed;

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
