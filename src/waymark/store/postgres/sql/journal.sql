-- name: flush
-- Writes one batch of one lane: new runs, journal entries, and what owners say last of runs.
--
-- `fence` holds the worker's own row; without it nothing is written. All parts see one snapshot,
-- taken before the fence's lock. That is sound: while the row exists nobody takes a run of this
-- worker, and when it was deleted in between the lock finds nothing.
--
-- Journal entries name their run by a place in `$4 || $17` (new runs, then others), so that a
-- run is judged once however many entries it has. A new run is ours when it was inserted here;
-- only when some were not (a repeated flush) are they looked at one by one.
with fence as materialized (
    select id from :"schema".workers
    where id = $1 and writers[$2] = $3
    for key share
),
born as (
    insert into :"schema".runs (
        id, workflow, graph, queue, owner, epoch, state, began_ns, input,
        end_digest, result, reason, finished_at
    )
    select
        new.id, new.workflow, new.graph, new.queue, case when new.kept then $1 end, new.epoch,
        new.state, new.began_ns, new.input, new.end_digest, new.result, new.reason,
        case when new.state >= 10 then now() end
    from
        fence,
        unnest(
            $4::uuid[], $5::text[], $6::bytea[], $7::text[], $8::boolean[], $9::integer[],
            $10::smallint[], $11::bigint[], $12::bytea[],
            $13::integer[], $14::bytea[], $15::text[], $16::boolean[]
        ) as new (
            id, workflow, graph, queue, owned, epoch, state, began_ns, input,
            end_digest, result, reason, kept
        )
    on conflict (id) do nothing
    returning id
),
verdict as materialized (
    select
        $4::uuid[] || $17::uuid[] as ids,
        $9::integer[] || $18::integer[] as epochs,
        case
            when (select count(*) from born) = cardinality($4::uuid[])
            then array_fill(true, array[cardinality($4::uuid[])])
            else (
                select array_agg(
                    not new.owned
                    or new.id = any (select id from born)
                    or (runs.owner = $1 and runs.epoch = new.epoch) is true
                    order by new.place
                )
                from unnest($4::uuid[], $8::boolean[], $9::integer[])
                    with ordinality as new (id, owned, epoch, place)
                left join :"schema".runs on runs.id = new.id
            )
        end
        || (
            select array_agg(
                (runs.owner = $1 and runs.epoch = other.epoch) is true order by other.place
            )
            from unnest($17::uuid[], $18::integer[]) with ordinality as other (id, epoch, place)
            left join :"schema".runs on runs.id = other.id
        ) as ours
    from fence
),
written as (
    insert into :"schema".journal (
        run_id, seq, epoch, kind, effect, node, digest, at_ns, payload
    )
    select
        verdict.ids[entry.place], entry.seq, verdict.epochs[entry.place], entry.kind,
        entry.effect, entry.node, entry.digest, entry.at_ns, entry.payload
    from
        verdict,
        unnest(
            $19::integer[], $20::integer[], $21::smallint[], $22::integer[], $23::integer[],
            $24::integer[], $25::bigint[], $26::bytea[]
        ) as entry (place, seq, kind, effect, node, digest, at_ns, payload)
    where verdict.ours[entry.place]
    returning 1
),
settled as (
    update :"schema".runs
    set
        owner = null,
        state = final.state,
        end_digest = final.end_digest,
        result = final.result,
        reason = final.reason,
        finished_at = case when final.state >= 10 then now() end
    from
        fence,
        unnest(
            $27::uuid[], $28::integer[], $29::smallint[], $30::integer[], $31::bytea[], $32::text[]
        ) as final (id, epoch, state, end_digest, result, reason)
    where runs.id = final.id and runs.owner = $1 and runs.epoch = final.epoch
    returning runs.id
)
select
    (select count(*) from written) as written,
    case when false = any (verdict.ours) then verdict.ours end as ours,
    case
        when (select count(*) from settled) <> cardinality($27::uuid[])
        then array(select id from settled)
    end as settled
from verdict;

-- name: read_journal
-- The entries of runs, in order.
select run_id, seq, epoch, kind, effect, node, digest, at_ns, payload
from :"schema".journal
where run_id = any ($1::uuid[])
order by run_id, seq;
