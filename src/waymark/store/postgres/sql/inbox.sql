-- name: send
-- Puts messages into the inboxes of runs; one that is there already stays as it is. Runs that
-- sleep are woken: as in `wake`, the lock tells for sure whether one does. One that is not to begin
-- yet is woken by a cancellation (kind 8) alone.
with written as (
    insert into :"schema".inbox (run_id, key, kind, name, payload)
    select message.run_id, message.key, message.kind, message.name, message.payload
    from unnest($1::uuid[], $2::text[], $3::smallint[], $4::text[], $5::bytea[])
        as message (run_id, key, kind, name, payload)
    on conflict (run_id, key) do nothing
),
locked as materialized (
    select runs.id, runs.state, runs.began_ns
    from (select distinct id from unnest($1::uuid[]) as given (id)) as asked
    join :"schema".runs on runs.id = asked.id
    order by runs.id
    for no key update of runs
)
update :"schema".runs set wake_at = now()
from locked
where
    runs.id = locked.id and locked.state = 3
    and (
        locked.began_ns <= extract(epoch from now()) * 1e9
        or locked.id in (
            select message.run_id
            from unnest($1::uuid[], $3::smallint[]) as message (run_id, kind)
            where message.kind = 8
        )
    );

-- name: read_inbox
-- Up to 1000 messages for runs of a worker, oldest first, and those of runs that have ended, which
-- nobody will hear any more.
select
    inbox.run_id, inbox.key, inbox.kind, inbox.name, inbox.payload, runs.state >= 10 as ended
from :"schema".inbox
join :"schema".runs on runs.id = inbox.run_id
where runs.owner = $1 or runs.state >= 10
order by inbox.sent_at, inbox.run_id, inbox.key
limit 1000;

-- name: forget_messages
-- Deletes messages that the journal has, or that nobody will hear.
delete from :"schema".inbox
using unnest($1::uuid[], $2::text[]) as message (run_id, key)
where inbox.run_id = message.run_id and inbox.key = message.key;
