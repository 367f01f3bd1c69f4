-- oldest-code: 2
--
-- The inbox: what others ask of a run, for its owner to journal. And names for the
-- entries of failed attempts and of cancellations that were asked for, which code 1
-- cannot feed: a run that it took up would be quarantined.

-- `key` is the sender's: sending again what may have arrived changes nothing. Rows
-- are deleted once the journal has what they say.
create table :"schema".inbox (
    run_id   uuid        not null,
    key      text        not null,
    sent_at  timestamptz not null default now(),
    kind     smallint    not null,
    name     text        not null,
    payload  bytea       not null,
    primary key (run_id, key)
) with (
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_scale_factor = 0
);

comment on table :"schema".inbox is 'What others ask of a run, until its owner has journaled it.';

create or replace view :"schema".journal_readable as
select
    run_id,
    seq,
    case kind
        when 1 then 'result' when 2 then 'error' when 3 then 'cancelled' when 4 then 'tape'
        when 5 then 'timer' when 6 then 'claim' when 7 then 'attempt' when 8 then 'cancel'
    end as kind,
    effect,
    node,
    to_timestamp(at_ns / 1e9) as at,
    epoch,
    convert_from(payload, 'UTF8') as payload
from :"schema".journal;
