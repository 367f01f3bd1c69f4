-- name: notify
-- Tells the other processes about topics; `$2` are payloads. A hint may be lost in a crash, so its
-- commit does not wait for the disk.
select set_config('synchronous_commit', 'off', true), pg_notify($1, payload)
from unnest($2::text[]) as payloads (payload);
