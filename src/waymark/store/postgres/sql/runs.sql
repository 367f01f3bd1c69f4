-- name: submit
-- Inserts one run outside the flushes, unless its id is taken.
insert into :"schema".runs (
    id, workflow, graph, queue, owner, epoch, state, began_ns, input, parent, priority, wake_at
)
values (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
    case when $7::smallint = 3 then to_timestamp($8::bigint / 1e9) end
)
on conflict (id) do nothing
returning id;

-- name: arrived
-- What is stored of runs: the highest sequence number of the journal, state, epoch and owner.
select
    runs.id,
    coalesce(
        (select max(journal.seq) from :"schema".journal where journal.run_id = runs.id), 0
    ) as seq,
    runs.state,
    runs.epoch,
    runs.owner
from unnest($1::uuid[]) as asked (id)
join :"schema".runs on runs.id = asked.id;

-- name: read_runs
-- Runs as seen from outside. Who sleeps and was never claimed was submitted with a delay.
select
    runs.id,
    runs.workflow,
    case when runs.state = 3 and runs.epoch = 0 then 0 else runs.state end as state,
    runs.result, runs.reason, runs.owner, runs.epoch,
    runs.submitted_at, runs.finished_at
from unnest($1::uuid[]) as asked (id)
join :"schema".runs on runs.id = asked.id;

-- name: claim
-- Takes up to `$4` runs without a live owner, of the graphs `$2` and the queues `$3`: those that
-- nobody owns, the highest priority and then the oldest first, and in turn with them those that
-- sleep and wake within `$9` seconds, by priority and then the first first; so that neither kind
-- holds up the other, however many there are of it.
--
-- `owners` jumps from owner to owner through the index `runs_live`, so its cost is the number of
-- workers and not that of their runs. Candidates come from the statement's snapshot; a
-- candidate is taken only if its epoch is still that of the snapshot once its row is locked,
-- which makes the claim a compare-and-set whatever happened in between. Twice as many
-- candidates as wanted leave something for the loser of a race. No row: the claimer is dead.
-- To order by an owner that is null says nothing but that the index `runs_live` is in this order.
--
-- `judged` counts crashes: owners in a row that died (and did not give the run back) without its
-- journal getting an entry, not counting claims (kind 6), but for a claim that found nothing under
-- way (`[]`). `store.suspects` says how many that crashed again and again may be held at once; `$6`
-- are those that the claimer holds, `$7` the most crashes among them, `$8` how many end a run. Who
-- has as many and no owner was let go on by hand. Where there is no room for any, they are no
-- candidates, so that they do not stand before others. Nor are the runs `$10`, which the claimer
-- could not read a moment ago.
--
-- Numbers are kept within their columns, so that no row, whatever somebody wrote into it by hand,
-- makes the statement fail: then nobody could claim anything.
with recursive owners (owner) as (
    (
        select runs.owner from :"schema".runs
        where runs.state < 6 and runs.state <> 3 and runs.owner is not null
        order by runs.owner
        limit 1
    )
    union all
    select (
        select runs.owner from :"schema".runs
        where runs.state < 6 and runs.state <> 3 and runs.owner > owners.owner
        order by runs.owner
        limit 1
    )
    from owners
    where owners.owner is not null
),
served (graph, queue) as (
    select graph, queue
    from unnest($2::bytea[]) as graphs (graph)
    cross join unnest($3::text[]) as queues (queue)
),
candidates as materialized (
    select
        found.id, found.epoch, found.owner, found.crashes, found.crash_seq,
        row_number() over (
            partition by found.sleeps order by found.priority desc, found.since, found.id
        ) * 2
        + found.sleeps::integer as turn
    from (
        select
            free.id, free.epoch, free.priority, free.submitted_at as since, false as sleeps,
            free.owner, free.crashes, free.crash_seq
        from served
        cross join lateral (
            select
                runs.id, runs.epoch, runs.priority, runs.submitted_at, runs.owner,
                runs.crashes, runs.crash_seq
            from :"schema".runs
            where
                runs.state < 6 and runs.state <> 3 and runs.owner is null
                and runs.graph = served.graph and runs.queue = served.queue
                and runs.id <> all ($10::uuid[])
                and (
                    runs.crashes is null or runs.crashes < 2
                    or $6 < 1 << ($8 - 1 - greatest($7, 2))
                )
            order by runs.owner, runs.priority desc, runs.submitted_at
            limit $4 * 2
        ) as free
        union all
        select
            left_behind.id, left_behind.epoch, left_behind.priority, left_behind.submitted_at, false,
            left_behind.owner, left_behind.crashes, left_behind.crash_seq
        from owners
        cross join served
        cross join lateral (
            select
                runs.id, runs.epoch, runs.priority, runs.submitted_at, runs.owner,
                runs.crashes, runs.crash_seq
            from :"schema".runs
            where
                runs.state < 6 and runs.state <> 3 and runs.owner = owners.owner
                and runs.graph = served.graph and runs.queue = served.queue
                and runs.id <> all ($10::uuid[])
                and (
                    runs.crashes is null or runs.crashes < 2
                    or $6 < 1 << ($8 - 1 - greatest($7, 2))
                )
            order by runs.priority desc, runs.submitted_at
            limit $4 * 2
        ) as left_behind
        where
            owners.owner is not null
            and not exists (select from :"schema".workers where workers.id = owners.owner)
        union all
        select
            due.id, due.epoch, due.priority, due.wake_at, true,
            due.owner, due.crashes, due.crash_seq
        from served
        cross join lateral (
            select
                runs.id, runs.epoch, runs.priority, runs.wake_at, runs.owner,
                runs.crashes, runs.crash_seq
            from :"schema".runs
            where
                runs.state = 3 and runs.graph = served.graph and runs.queue = served.queue
                and runs.wake_at <= now() + make_interval(secs => $9)
                and runs.id <> all ($10::uuid[])
                and (
                    runs.crashes is null or runs.crashes < 2
                    or $6 < 1 << ($8 - 1 - greatest($7, 2))
                )
            order by runs.wake_at
            limit $4 * 2
        ) as due
    ) as found
    order by turn
    limit $4 * 2
),
judged as (
    select
        candidates.id,
        candidates.epoch,
        candidates.turn,
        candidates.owner is not null as crashed,
        (candidates.owner is not null)::integer + case
            when candidates.crashes is null then 0
            when candidates.owner is null and candidates.crashes >= $8 then 0
            when exists (
                select from :"schema".journal
                where
                    journal.run_id = candidates.id
                    and journal.seq > candidates.crash_seq
                    and (journal.kind <> 6 or journal.payload = '[]'::bytea)
            ) then 0
            else least(candidates.crashes, 1000)
        end as crashes
    from candidates
),
ranked as materialized (
    select
        judged.*,
        count(*) filter (where judged.crashes between 2 and $8 - 1) over (
            order by judged.crashes desc, judged.turn
            rows unbounded preceding
        ) as place,
        max(judged.crashes) filter (where judged.crashes between 2 and $8 - 1) over () as worst
    from judged
),
fence as materialized (
    select id from :"schema".workers where id = $1 for key share
),
picked as materialized (
    select runs.id, ranked.turn, ranked.crashed, ranked.crashes
    from ranked
    join :"schema".runs on runs.id = ranked.id
    where
        runs.epoch = ranked.epoch
        and runs.state < 6
        and (
            ranked.crashes not between 2 and $8 - 1
            or $6 + ranked.place <= 1 << ($8 - 1 - greatest(ranked.worst, $7))
        )
    order by ranked.turn
    limit $4
    for update of runs skip locked
),
taken as (
    update :"schema".runs
    set
        owner = $1,
        epoch = case when runs.epoch between 1 and 2147483646 then runs.epoch + 1 else 2 end,
        state = 2,
        reason = null,
        wake_at = null,
        began_ns = case when runs.began_ns = 0 then $5 else runs.began_ns end,
        crashes = nullif(picked.crashes, 0),
        crash_seq = case
            when picked.crashed then coalesce(
                (select max(journal.seq) from :"schema".journal where journal.run_id = runs.id), 0
            )
            else runs.crash_seq
        end
    from fence, picked
    where runs.id = picked.id
    returning
        runs.id, runs.workflow, runs.graph, runs.queue, runs.epoch, runs.began_ns, runs.input,
        runs.parent, runs.crashes, runs.priority, picked.turn
)
select
    taken.id, taken.workflow, taken.graph, taken.queue, taken.epoch, taken.began_ns, taken.input,
    taken.parent, coalesce(taken.crashes, 0) as crashes, taken.priority
from fence
left join taken on true
order by taken.turn;

-- name: limit_idleness
-- For the transaction of a claim behind a pooler, where sessions have no settings of their own.
select set_config('idle_in_transaction_session_timeout', $1, true);

-- name: still_claimed
-- Which claims, whose commit was lost on the way, hold. Waits for one that is not decided yet:
-- so the rows are locked by their keys alone, since a condition on what the claim changes would
-- be judged by the row as it was before, and pass over it without waiting.
with locked as materialized (
    select runs.id, runs.owner, runs.epoch, claim.epoch as claimed
    from unnest($2::uuid[], $3::integer[]) as claim (id, epoch)
    join :"schema".runs on runs.id = claim.id
    for update of runs
)
select locked.id from locked where locked.owner = $1 and locked.epoch = locked.claimed;

-- name: owned_runs
-- The unfinished runs of a worker.
select id from :"schema".runs where owner = $1 and state < 6 and state <> 3;

-- name: free_runs
-- Gives back runs that their owner does not know: the database lost how it had closed them.
update :"schema".runs
set owner = null, state = 1
where id = any ($2::uuid[]) and owner = $1 and state < 6 and state <> 3;

-- name: look
-- What a sweep has to know, in one answer: the clock; the workers, whether their lease has run
-- out, and whether their lock is gone under the server that they took it under (nothing is proven
-- of one that never took it there); whether there are messages to read for `$1`; and the graphs of
-- unfinished runs of the queues `$2` that have no live owner, of sleeping ones those that wake
-- within `$3` seconds.
--
-- Jumps through the indexes `runs_live` and `runs_waiting` from one pair of owner and graph to the
-- next, so its cost does not grow with the number of runs.
with recursive free (graph) as (
    (
        select runs.graph from :"schema".runs
        where runs.state < 6 and runs.state <> 3 and runs.owner is null
        order by runs.graph
        limit 1
    )
    union all
    select (
        select runs.graph from :"schema".runs
        where
            runs.state < 6 and runs.state <> 3 and runs.owner is null
            and runs.graph > free.graph
        order by runs.graph
        limit 1
    )
    from free
    where free.graph is not null
),
owned (owner, graph) as (
    (
        select runs.owner, runs.graph from :"schema".runs
        where runs.state < 6 and runs.state <> 3 and runs.owner is not null
        order by runs.owner, runs.graph
        limit 1
    )
    union all
    select next.owner, next.graph
    from owned
    cross join lateral (
        select runs.owner, runs.graph from :"schema".runs
        where
            runs.state < 6 and runs.state <> 3
            and (runs.owner, runs.graph) > (owned.owner, owned.graph)
        order by runs.owner, runs.graph
        limit 1
    ) as next
),
asleep (graph) as (
    (
        select runs.graph from :"schema".runs
        where runs.state = 3
        order by runs.graph
        limit 1
    )
    union all
    select (
        select runs.graph from :"schema".runs
        where runs.state = 3 and runs.graph > asleep.graph
        order by runs.graph
        limit 1
    )
    from asleep
    where asleep.graph is not null
),
waiting (owner, graph) as (
    select null::uuid, free.graph from free where free.graph is not null
    union all
    select owned.owner, owned.graph from owned
    where not exists (select from :"schema".workers where workers.id = owned.owner)
),
unserved (graph) as (
    select waiting.graph
    from waiting
    cross join unnest($2::text[]) as queues (queue)
    where case
        when waiting.owner is null then exists (
            select from :"schema".runs
            where
                runs.state < 6 and runs.state <> 3 and runs.owner is null
                and runs.graph = waiting.graph and runs.queue = queues.queue
        )
        else exists (
            select from :"schema".runs
            where
                runs.state < 6 and runs.state <> 3 and runs.owner = waiting.owner
                and runs.graph = waiting.graph and runs.queue = queues.queue
        )
    end
    union all
    select asleep.graph
    from asleep
    cross join unnest($2::text[]) as queues (queue)
    where exists (
        select from :"schema".runs
        where
            runs.state = 3 and runs.graph = asleep.graph and runs.queue = queues.queue
            and runs.wake_at <= now() + make_interval(secs => $3)
    )
),
held as materialized (
    select (locks.classid::bigint << 32) | locks.objid::bigint as key
    from pg_catalog.pg_locks as locks
    where
        locks.locktype = 'advisory' and locks.objsubid = 1 and locks.granted
        and locks.database = (
            select oid from pg_catalog.pg_database where datname = current_database()
        )
),
seen as materialized (
    select
        coalesce(array_agg(workers.id), '{}') as workers,
        coalesce(array_agg(workers.expires_at < now()), '{}') as expired,
        coalesce(
            array_agg(
                workers.witnessed is not distinct from pg_postmaster_start_time()
                and not exists (
                    select from held
                    where
                        held.key
                        = hashtextextended('waymark.worker.' || workers.id::text, 0)
                )
            ),
            '{}'
        ) as silent
    from :"schema".workers
)
select
    (extract(epoch from clock_timestamp()) * 1000000)::bigint as clock_us,
    seen.workers,
    seen.expired,
    seen.silent,
    exists (
        select from :"schema".inbox
        join :"schema".runs on runs.id = inbox.run_id
        where runs.owner = $1 or runs.state >= 10
    ) as mail,
    array(select distinct unserved.graph from unserved) as graphs
from seen;

-- name: set_blocked
-- Says of all runs of a graph that have no live owner why nobody can continue them; unless `$3`,
-- only of those that are not blocked yet. Of those that sleep, the ones that are due. At most `$4`
-- at once, so that neither the statement nor what the planner thinks of it grows with them. As in
-- `claim`, a run that was taken in between shows another epoch and is left alone.
with recursive owners (owner) as (
    (
        select runs.owner from :"schema".runs
        where runs.state < 6 and runs.state <> 3 and runs.owner is not null
        order by runs.owner
        limit 1
    )
    union all
    select (
        select runs.owner from :"schema".runs
        where runs.state < 6 and runs.state <> 3 and runs.owner > owners.owner
        order by runs.owner
        limit 1
    )
    from owners
    where owners.owner is not null
),
queues (queue) as (
    (
        select runs.queue from :"schema".runs
        where runs.state = 3 and runs.graph = $1
        order by runs.queue
        limit 1
    )
    union all
    select (
        select runs.queue from :"schema".runs
        where runs.state = 3 and runs.graph = $1 and runs.queue > queues.queue
        order by runs.queue
        limit 1
    )
    from queues
    where queues.queue is not null
),
candidates as materialized (
    select runs.id, runs.epoch from :"schema".runs
    where runs.state < 5 and runs.state <> 3 and runs.owner is null and runs.graph = $1
    union all
    select runs.id, runs.epoch from :"schema".runs
    where
        $3 and runs.state < 6 and runs.state <> 3 and runs.owner is null and runs.graph = $1
        and runs.state = 5 and runs.reason is distinct from $2
    union all
    select runs.id, runs.epoch
    from owners
    join :"schema".runs
        on
            runs.state < 6 and runs.state <> 3
            and runs.owner = owners.owner and runs.graph = $1
    where not exists (select from :"schema".workers where workers.id = owners.owner)
    union all
    select due.id, due.epoch
    from queues
    cross join lateral (
        select runs.id, runs.epoch from :"schema".runs
        where
            runs.state = 3 and runs.graph = $1 and runs.queue = queues.queue
            and runs.wake_at <= now()
        order by runs.wake_at
        limit $4
    ) as due
),
told as materialized (
    select id, epoch from candidates limit $4
)
update :"schema".runs
set state = 5, reason = $2, owner = null, wake_at = null
from told
where
    runs.id = told.id
    and runs.epoch = told.epoch
    and runs.state < 6
returning 1;

-- name: lock_runs
-- First half of a parking: from here on `send` and `wake`, which lock the run as well, come either
-- before it, and the second half sees what they did, or after it, and see that the run sleeps.
select runs.id
from unnest($1::uuid[]) as asked (id)
join :"schema".runs on runs.id = asked.id
order by runs.id
for no key update of runs;

-- name: park
-- Second half, in a statement and a snapshot of its own: lets runs of worker `$1`, over lane `$2`
-- and its connection `$3`, sleep until `$6` (microseconds since 1970, null without end). Not those
-- that have messages, nor those that wait for children (`$8`, each with the place of its run in
-- `$7`) of which one has ended, or is not there, or does not know whom to wake. No row: fenced.
with fence as materialized (
    select id from :"schema".workers
    where id = $1 and writers[$2] = $3
    for key share
),
ready as materialized (
    select awaited.place
    from unnest($7::integer[], $8::uuid[]) as awaited (place, child)
    left join :"schema".runs as children on children.id = awaited.child
    where
        children.state is null or children.state >= 10
        or children.parent is distinct from ($4::uuid[])[awaited.place]
),
parked as (
    update :"schema".runs
    set
        state = 3,
        owner = null,
        wake_at = coalesce(to_timestamp(asked.wake_us / 1e6), 'infinity')
    from
        fence,
        unnest($4::uuid[], $5::integer[], $6::bigint[])
            with ordinality as asked (id, epoch, wake_us, place)
    where
        runs.id = asked.id and runs.owner = $1 and runs.epoch = asked.epoch and runs.state = 2
        and asked.place not in (select ready.place from ready)
        and not exists (select from :"schema".inbox where inbox.run_id = asked.id)
    returning runs.id
)
select array(select parked.id from parked) as parked from fence;

-- name: wake
-- Lets runs that sleep be claimed at once. The others are only locked: see `lock_runs`.
with locked as materialized (
    select runs.id, runs.state
    from (select distinct id from unnest($1::uuid[]) as given (id)) as asked
    join :"schema".runs on runs.id = asked.id
    order by runs.id
    for no key update of runs
)
update :"schema".runs set wake_at = now()
from locked
where runs.id = locked.id and locked.state = 3;
