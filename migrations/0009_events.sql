-- oldest-code: 9
--
-- A name for the entries of events from outside, which older code cannot feed: a run that
-- it took up would be quarantined.

create or replace view :"schema".journal_readable as
select
    run_id,
    seq,
    case kind
        when 1 then 'result' when 2 then 'error' when 3 then 'cancelled' when 4 then 'tape'
        when 5 then 'timer' when 6 then 'claim' when 7 then 'attempt' when 8 then 'cancel'
        when 9 then 'event'
    end as kind,
    effect,
    node,
    to_timestamp(at_ns / 1e9) as at,
    epoch,
    convert_from(payload, 'UTF8') as payload
from :"schema".journal;
