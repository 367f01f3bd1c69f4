-- name: write_attempts
-- Keeps what attempts under way reported, of runs that the worker owns at the epochs it names.
-- As in `flush`, nobody takes a run while the worker's row is held.
with fence as materialized (
    select id from :"schema".workers where id = $1 for key share
)
insert into :"schema".attempts (run_id, effect, attempt, since_ns, progress)
select report.run_id, report.effect, report.attempt, report.since_ns, report.progress
from fence
cross join unnest($2::uuid[], $3::integer[], $4::integer[], $5::integer[], $6::bigint[], $7::bytea[])
    as report (run_id, epoch, effect, attempt, since_ns, progress)
join :"schema".runs
    on runs.id = report.run_id and runs.owner = fence.id and runs.epoch = report.epoch
on conflict (run_id, effect) do update
set
    attempt = excluded.attempt,
    since_ns = excluded.since_ns,
    progress = excluded.progress,
    written_at = now();

-- name: read_attempts
-- What attempts of runs reported before their owner died or left.
select
    attempts.run_id, runs.epoch, attempts.effect, attempts.attempt, attempts.since_ns,
    attempts.progress
from unnest($1::uuid[]) as asked (id)
join :"schema".attempts on attempts.run_id = asked.id
join :"schema".runs on runs.id = asked.id
order by attempts.run_id, attempts.effect;

-- name: forget_attempts
-- Deletes reports of calls that are over; where `effect` is null, all of a run that has ended.
delete from :"schema".attempts
using
    unnest($1::uuid[], $2::integer[]) as over (run_id, effect)
    left join :"schema".runs on runs.id = over.run_id
where
    attempts.run_id = over.run_id
    and (attempts.effect = over.effect or over.effect is null and runs.state >= 10);
