-- oldest-code: 9
--
-- What attempts that are made for another process say of themselves, so that the next one of the
-- call finds it, whoever makes it. Code of before leaves the column as it is.

alter table :"schema".tasks add column report bytea;

comment on column :"schema".tasks.report is
    'What attempts of the call have reported so far: when the first began, and their progress.';

create or replace view :"schema".tasks_readable as
select
    run_id,
    effect,
    attempt,
    action,
    queue,
    offered_at,
    case
        when verdict is not null then 'done'
        when claimer is null then 'waiting'
        when exists (select from :"schema".workers where workers.id = tasks.claimer) then 'claimed'
        else 'lost'
    end as state,
    claimer,
    lost,
    case verdict when 1 then 'result' when 2 then 'error' when 3 then 'again' end as verdict,
    convert_from(arguments, 'UTF8') as arguments,
    convert_from(outcome, 'UTF8') as outcome,
    convert_from(report, 'UTF8') as report
from :"schema".tasks;
