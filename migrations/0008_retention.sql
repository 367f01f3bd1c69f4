-- oldest-code: 2
--
-- An order in which runs that ended long ago are found, for retention; and those that are
-- quarantined, for people.

-- All runs that one flush ends share their time, so an entry is a few bytes of a list;
-- quarantined runs have no end and are never in it.
create index runs_finished on :"schema".runs (finished_at) where finished_at is not null;

create index runs_quarantined on :"schema".runs (workflow) where state = 6;
