-- name: flush
-- Writes one batch of one lane: new runs, journal entries, and what owners say last of runs.
--
-- `fence` holds the worker's own row; without it nothing is written. All parts see one snapshot,
-- taken before the fence's lock. That is sound: while the row exists nobody takes a run of this
-- worker, and when it was deleted in between the lock finds nothing.
--
-- Runs are judged once, however many entries they have: entries name theirs by its place in
-- `$4 || $20 || $27`, which are the new runs (ours, since inserting them succeeds or fails the
-- statement), those that the batch settles (ours if the update met them), and others (looked up).
--
-- How columns travel is chosen for the sender, whose event loop it holds up: integers and ids as
-- the text of an array, payloads as one value with places to cut it, and what few runs differ in
-- (`$6` to `$12`) once for each shape that occurs. `$16` to `$19` are empty unless a new run is
-- born with its end, since an update does not see the rows that are inserted beside it; `$38`
-- unless one has a parent.
with fence as materialized (
    select id from :"schema".workers
    where id = $1 and writers[$2] = $3
    for key share
),
sent as materialized (
    select
        $4::text::uuid[] as new_ids,
        $20::text::uuid[] as final_ids,
        $27::text::uuid[] as other_ids,
        $14::text::integer[] as inputs,
        $24::text::integer[] as results,
        $36::text::integer[] as payloads
),
born as (
    insert into :"schema".runs (
        id, workflow, graph, queue, owner, epoch, state, began_ns, input,
        end_digest, result, reason, finished_at, parent, priority, wake_at
    )
    select
        new.id,
        ($6::text[])[new.shape],
        ($7::bytea[])[new.shape],
        ($8::text[])[new.shape],
        case
            when ($9::boolean[])[new.shape] and ($16::smallint[])[new.place] is null then $1
        end,
        ($10::integer[])[new.shape],
        coalesce(($16::smallint[])[new.place], ($11::smallint[])[new.shape]),
        new.began_ns,
        substr(
            $15::bytea, sent.inputs[new.place], sent.inputs[new.place + 1] - sent.inputs[new.place]
        ),
        ($17::integer[])[new.place],
        ($18::bytea[])[new.place],
        ($19::text[])[new.place],
        case when ($16::smallint[])[new.place] >= 10 then now() end,
        ($38::uuid[])[new.place],
        ($12::smallint[])[new.shape],
        case when ($11::smallint[])[new.shape] = 3 then to_timestamp(new.began_ns / 1e9) end
    from
        fence,
        sent,
        unnest(
            sent.new_ids, $5::text::integer[], $13::text::bigint[]
        ) with ordinality as new (id, shape, began_ns, place)
),
settled as (
    update :"schema".runs
    set
        owner = null,
        state = final.state,
        end_digest = final.end_digest,
        result = case
            when final.state >= 10 then substr(
                $25::bytea,
                sent.results[final.line],
                sent.results[final.line + 1] - sent.results[final.line]
            )
        end,
        reason = ($26::text[])[final.line],
        finished_at = case when final.state >= 10 then now() end
    from
        fence,
        sent,
        unnest(
            sent.final_ids, $21::text::integer[], $22::text::smallint[], $23::text::integer[]
        ) with ordinality as final (id, epoch, state, end_digest, line)
    where runs.id = final.id and runs.owner = $1 and runs.epoch = final.epoch
    returning final.line
),
verdict as materialized (
    select
        sent.new_ids || sent.final_ids || sent.other_ids as ids,
        array(
            select ($10::integer[])[shape] from unnest($5::text::integer[]) as new (shape)
        )
        || $21::text::integer[] || $28::text::integer[] as epochs,
        array_fill(true, array[cardinality(sent.new_ids)])
        || case
            when (select count(*) from settled) = cardinality(sent.final_ids)
            then array_fill(true, array[cardinality(sent.final_ids)])
            else array(
                select line = any (array(select settled.line from settled))
                from generate_series(1, cardinality(sent.final_ids)) as line
                order by line
            )
        end
        || array(
            select (runs.owner = $1 and runs.epoch = other.epoch) is true
            from unnest(sent.other_ids, $28::text::integer[])
                with ordinality as other (id, epoch, place)
            left join :"schema".runs on runs.id = other.id
            order by other.place
        ) as ours
    from fence, sent
),
written as (
    insert into :"schema".journal (
        run_id, seq, epoch, kind, effect, node, digest, at_ns, payload
    )
    select
        verdict.ids[entry.place], entry.seq, verdict.epochs[entry.place], entry.kind,
        entry.effect, entry.node, entry.digest, entry.at_ns,
        substr(
            $37::bytea,
            sent.payloads[entry.line],
            sent.payloads[entry.line + 1] - sent.payloads[entry.line]
        )
    from
        verdict,
        sent,
        unnest(
            $29::text::integer[], $30::text::integer[], $31::text::smallint[],
            $32::text::integer[], $33::text::integer[], $34::text::integer[],
            $35::text::bigint[]
        ) with ordinality as entry (place, seq, kind, effect, node, digest, at_ns, line)
    where verdict.ours[entry.place]
    returning 1
)
select
    (select count(*) from written) as written,
    case when false = any (verdict.ours) then verdict.ours end as ours
from verdict;

-- name: flush_run
-- `flush` of one new run, and nothing else. Its columns are those of `NewRun`, from `$4` on.
with fence as materialized (
    select id from :"schema".workers
    where id = $1 and writers[$2] = $3
    for key share
)
insert into :"schema".runs (
    id, workflow, graph, queue, owner, epoch, state, began_ns, input, parent, priority, wake_at
)
select
    $4, $5, $6, $7, case when $8::uuid is not null then $1 end, $9, $10::smallint, $11::bigint,
    $12, $13, $14,
    case when $10::smallint = 3 then to_timestamp($11::bigint / 1e9) end
from fence
returning 0 as written, null::boolean[] as ours;

-- name: flush_entry
-- `flush` of one journal entry of a run that goes on. Its columns are those of `JournalRow`,
-- from `$4` on.
with fence as materialized (
    select id from :"schema".workers
    where id = $1 and writers[$2] = $3
    for key share
),
verdict as materialized (
    select exists (
        select from :"schema".runs
        where runs.id = $4 and runs.owner = $1 and runs.epoch = $6
    ) as ours
    from fence
),
written as (
    insert into :"schema".journal (
        run_id, seq, epoch, kind, effect, node, digest, at_ns, payload
    )
    select $4, $5, $6, $7, $8, $9, $10, $11, $12
    from verdict
    where verdict.ours
    returning 1
)
select
    (select count(*) from written) as written,
    case when not verdict.ours then array[false] end as ours
from verdict;

-- name: flush_end
-- `flush` of a run's last entry, as in `flush_entry`, and of its end: state, digest, result.
with fence as materialized (
    select id from :"schema".workers
    where id = $1 and writers[$2] = $3
    for key share
),
settled as (
    update :"schema".runs
    set
        owner = null,
        state = $13,
        end_digest = $14,
        result = $15,
        reason = null,
        finished_at = now()
    from fence
    where runs.id = $4 and runs.owner = $1 and runs.epoch = $6
    returning 1
),
written as (
    insert into :"schema".journal (
        run_id, seq, epoch, kind, effect, node, digest, at_ns, payload
    )
    select $4, $5, $6, $7, $8, $9, $10, $11, $12
    from settled
    returning 1
)
select
    (select count(*) from written) as written,
    case when not exists (select from settled) then array[false] end as ours
from fence;

-- name: read_journal
-- The entries of runs after one of each, in order.
select
    journal.run_id,
    journal.seq,
    journal.epoch,
    journal.kind,
    journal.effect,
    journal.node,
    journal.digest,
    journal.at_ns,
    journal.payload
from unnest($1::uuid[], $2::integer[]) as wanted (run_id, after)
join :"schema".journal on journal.run_id = wanted.run_id and journal.seq > wanted.after
order by journal.run_id, journal.seq;
