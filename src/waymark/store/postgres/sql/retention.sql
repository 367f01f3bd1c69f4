-- name: remove_finished
-- Removes up to `$2` runs that ended more than `$1` seconds ago, with all that belongs to them. One
-- process at a time does it; the others have nothing to do then. A journal goes first, at most `$3`
-- of its rows at once, and a run only when nothing of its journal is left: so that no statement is
-- long, however long a journal is. A child stays until its parent has ended, which may ask for it
-- once more: without an answer there it would begin it anew.
with turn as materialized (
    select pg_try_advisory_xact_lock(
        hashtextextended('waymark.retention.' || $4::text, 0)
    ) as ours
),
old as materialized (
    select runs.id
    from turn
    cross join :"schema".runs
    where
        turn.ours
        and runs.finished_at < now() - make_interval(secs => $1)
        and (
            select parents.finished_at is null
            from :"schema".runs as parents
            where parents.id = runs.parent
        ) is not true
    order by runs.finished_at
    limit $2
    for update of runs skip locked
),
rows_gone as (
    delete from :"schema".journal
    where ctid = any (
        array(
            select journal.ctid
            from old
            join :"schema".journal on journal.run_id = old.id
            limit $3
        )
    )
    returning 1
),
messages_gone as (
    delete from :"schema".inbox using old where inbox.run_id = old.id
),
snapshots_gone as (
    delete from :"schema".snapshots using old where snapshots.run_id = old.id
),
attempts_gone as (
    delete from :"schema".attempts using old where attempts.run_id = old.id
),
tasks_gone as (
    delete from :"schema".tasks using old where tasks.run_id = old.id
),
runs_gone as (
    delete from :"schema".runs using old
    where runs.id = old.id and (select count(*) from rows_gone) < $3
    returning 1
)
select
    (select count(*) from runs_gone) as runs,
    (select count(*) from rows_gone) as entries;

-- name: remove_unheard
-- Removes messages that were sent more than `$1` seconds ago to runs that are not there.
delete from :"schema".inbox
where
    inbox.sent_at < now() - make_interval(secs => $1)
    and not exists (select from :"schema".runs where runs.id = inbox.run_id);
