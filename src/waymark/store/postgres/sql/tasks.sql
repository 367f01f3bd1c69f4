-- name: offer_tasks
-- Offers attempts to whoever serves them. Only for runs of this worker at the epoch it names; a row
-- that is there stays, unless it is of an earlier attempt. Tells how many, of all runs, nobody has
-- taken yet, counted up to `$12`, and which runs are not this worker's. No row: it is dead.
with fence as materialized (
    select id from :"schema".workers where id = $1 for key share
),
offered as (
    insert into :"schema".tasks (
        run_id, effect, attempt, workflow, action, queue, options, arguments, report
    )
    select
        task.run_id, task.effect, task.attempt, task.workflow, task.action, task.queue,
        task.options, task.arguments, nullif(task.report, '')
    from fence
    cross join unnest(
        $2::uuid[], $3::integer[], $4::integer[], $5::integer[], $6::text[], $7::text[],
        $8::text[], $9::bytea[], $10::bytea[], $11::bytea[]
    ) as task (
        run_id, epoch, effect, attempt, workflow, action, queue, options, arguments, report
    )
    join :"schema".runs on runs.id = task.run_id
    where runs.owner = $1 and runs.epoch = task.epoch
    on conflict (run_id, effect) do update
    set
        attempt = excluded.attempt,
        offered_at = excluded.offered_at,
        claimer = null,
        claim = case when tasks.claim < 2147483647 then tasks.claim + 1 else 1 end,
        lost = 0,
        verdict = null,
        pause_seconds = null,
        options = excluded.options,
        report = excluded.report,
        outcome = null
    where tasks.attempt < excluded.attempt
    returning 1
)
select
    (select count(*) from offered)
    + (
        select count(*) from (
            select from :"schema".tasks
            where tasks.verdict is null and tasks.claimer is null
            limit $12
        ) as waiting
    ) as waiting,
    array(
        select distinct asked.run_id
        from unnest($2::uuid[], $3::integer[]) as asked (run_id, epoch)
        left join :"schema".runs on runs.id = asked.run_id
        where (runs.owner = $1 and runs.epoch = asked.epoch) is not true
    ) as strangers
from fence;

-- name: claim_tasks
-- Takes up to `$4` attempts of the actions `$2` in the queues `$3`, oldest first: those that nobody
-- has taken, and those whose claimer is dead, unless `$5` of them have died of it. As in `claim` of
-- runs, one that was taken after the snapshot shows another number. Of those that some have died of
-- a claimer holds one at a time. Each queue is walked by its index no further than the claim goes,
-- however many calls wait in it. `held` is what it had before. No row: it is dead. A number that
-- somebody wrote by hand does not make the statement fail.
with fence as materialized (
    select id from :"schema".workers where id = $1 for key share
),
held as materialized (
    select tasks.lost > 1 as suspect
    from :"schema".tasks
    where tasks.verdict is null and tasks.claimer = $1
),
candidates as materialized (
    select
        open.run_id,
        open.effect,
        open.claim,
        open.offered_at,
        case when open.lost > 1 then row_number() over (
            partition by open.lost > 1 order by open.offered_at, open.run_id, open.effect
        ) end as suspect
    from unnest($3::text[]) as queues (queue)
    cross join lateral (
        select tasks.run_id, tasks.effect, tasks.claim, tasks.offered_at, tasks.lost
        from :"schema".tasks
        where
            tasks.verdict is null
            and (tasks.lost < 2 or not exists (select from held where held.suspect))
            and tasks.queue = queues.queue
            and tasks.action = any ($2::text[])
            and tasks.lost < $5
            and (
                tasks.claimer is null
                or not exists (select from :"schema".workers where workers.id = tasks.claimer)
            )
            and exists (
                select from :"schema".runs where runs.id = tasks.run_id and runs.state < 6
            )
        order by tasks.offered_at
        limit $4 * 2
    ) as open
    order by open.offered_at, open.run_id, open.effect
    limit $4 * 2
),
picked as materialized (
    select tasks.run_id, tasks.effect, candidates.offered_at
    from candidates
    join :"schema".tasks on tasks.run_id = candidates.run_id and tasks.effect = candidates.effect
    where
        tasks.claim = candidates.claim
        and (candidates.suspect is null or candidates.suspect = 1)
    order by candidates.offered_at, tasks.run_id, tasks.effect
    limit $4
    for update of tasks skip locked
),
taken as (
    update :"schema".tasks
    set
        claim = case when tasks.claim < 2147483647 then tasks.claim + 1 else 1 end,
        lost = tasks.lost + case when tasks.claimer is null then 0 else 1 end,
        claimer = $1
    from fence, picked
    where tasks.run_id = picked.run_id and tasks.effect = picked.effect
    returning
        tasks.run_id, tasks.effect, tasks.attempt, tasks.claim, tasks.workflow, tasks.action,
        tasks.options, tasks.arguments, coalesce(tasks.report, '') as report, picked.offered_at
)
select
    taken.run_id, taken.effect, taken.attempt, taken.claim, taken.workflow, taken.action,
    taken.options, taken.arguments, taken.report,
    (select count(*) from held) as held
from fence
left join taken on true
order by taken.offered_at, taken.run_id, taken.effect;

-- name: held_tasks
-- What a worker has taken and not finished.
select run_id, effect, claim from :"schema".tasks where claimer = $1 and verdict is null;

-- name: report_tasks
-- What attempts that this worker has taken say of themselves; of others nothing is written. One
-- whose row is just being finished or given back is passed over, so that nothing waits here.
with mine as materialized (
    select tasks.run_id, tasks.effect, said.report
    from unnest($2::uuid[], $3::integer[], $4::integer[], $5::bytea[]) as said (
        run_id, effect, claim, report
    )
    join :"schema".tasks on tasks.run_id = said.run_id and tasks.effect = said.effect
    where tasks.claimer = $1 and tasks.claim = said.claim and tasks.verdict is null
    for update of tasks skip locked
)
update :"schema".tasks
set report = mine.report
from mine
where tasks.run_id = mine.run_id and tasks.effect = mine.effect;

-- name: finish_tasks
-- What became of attempts that this worker has taken; of others nothing is written. No row: the
-- worker is dead.
with fence as materialized (
    select id from :"schema".workers where id = $1 for key share
),
finished as (
    update :"schema".tasks
    set
        verdict = done.verdict,
        pause_seconds = done.pause_seconds,
        outcome = done.outcome,
        report = coalesce(nullif(done.report, ''), tasks.report)
    from
        fence,
        unnest(
            $2::uuid[], $3::integer[], $4::integer[], $5::smallint[], $6::double precision[],
            $7::bytea[], $8::bytea[]
        ) as done (run_id, effect, claim, verdict, pause_seconds, outcome, report)
    where
        tasks.run_id = done.run_id
        and tasks.effect = done.effect
        and tasks.claimer = $1
        and tasks.claim = done.claim
        and tasks.verdict is null
    returning 1
)
select (select count(*) from finished) as finished from fence;

-- name: release_tasks
-- Gives back what a worker has taken and will not do.
update :"schema".tasks
set claimer = null
from unnest($2::uuid[], $3::integer[], $4::integer[]) as held (run_id, effect, claim)
where
    tasks.run_id = held.run_id
    and tasks.effect = held.effect
    and tasks.claimer = $1
    and tasks.claim = held.claim
    and tasks.verdict is null;

-- name: read_outcomes
-- What became of attempts for runs of a worker: up to 500, and not many more bytes than `$2`.
select
    done.run_id, done.effect, done.attempt, done.verdict, done.pause_seconds, tasks.outcome,
    coalesce(tasks.report, '') as report
from (
    select
        tasks.run_id, tasks.effect, tasks.attempt, tasks.verdict, tasks.pause_seconds,
        coalesce(length(tasks.outcome), 0) as size,
        sum(coalesce(length(tasks.outcome), 0)) over (order by tasks.run_id, tasks.effect) as sum
    from :"schema".tasks
    join :"schema".runs on runs.id = tasks.run_id
    where tasks.verdict is not null and runs.owner = $1
    order by tasks.run_id, tasks.effect
    limit 500
) as done
join :"schema".tasks on tasks.run_id = done.run_id and tasks.effect = done.effect
where done.sum - done.size < $2 and tasks.attempt = done.attempt and tasks.verdict is not null
order by done.run_id, done.effect;

-- name: read_tasks
-- The rows of runs, without what is in them: of the arguments by their digest alone.
select
    run_id, effect, attempt, claimer, lost, verdict is not null as done,
    action, sha256(arguments) as digest
from :"schema".tasks
where run_id = any ($1::uuid[])
order by run_id, effect;

-- name: forget_tasks
-- Deletes attempts of which the journal has the outcome, or that are not wanted any more. A later
-- attempt of the same call stays.
delete from :"schema".tasks
using unnest($1::uuid[], $2::integer[], $3::integer[]) as over (run_id, effect, attempt)
where
    tasks.run_id = over.run_id
    and tasks.effect = over.effect
    and tasks.attempt <= over.attempt;

-- name: forget_orphaned_tasks
-- Deletes what was offered for runs that have ended, stand still for good, or are gone.
delete from :"schema".tasks
where not exists (
    select from :"schema".runs where runs.id = tasks.run_id and runs.state < 6
);

-- name: served_queues
-- The queues that other live workers serve, one row for each worker.
select about -> 'queues' as queues from :"schema".workers where id <> $1 and expires_at >= now();

-- name: explain_runs
-- Says of runs of a worker why they stand still (state 5), or that they go on (2). Those that are
-- just being written are passed over: nothing here waits, and the worker asks again.
update :"schema".runs
set state = $4, reason = $5
where id in (
    select runs.id
    from unnest($2::uuid[], $3::integer[]) as asked (id, epoch)
    join :"schema".runs on runs.id = asked.id
    where runs.owner = $1 and runs.epoch = asked.epoch and runs.state in (2, 5)
    for update of runs skip locked
)
returning id;
