-- name: notify
-- Tells the other processes about topics; `$2` are payloads.
select pg_notify($1, payload) from unnest($2::text[]) as payloads (payload);
