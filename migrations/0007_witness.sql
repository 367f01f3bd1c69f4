-- oldest-code: 2
--
-- Proof of death beside the lease.

-- The start of the server under which the worker holds a session advisory lock, over a
-- connection that leads straight to it. Is the lock gone while that server still runs,
-- then so is the session that held it. Null where nothing is proven by that.
alter table :"schema".workers add column witnessed timestamptz;

comment on column :"schema".workers.witnessed is
    'Start of the server on which this worker holds its session lock; without the lock it is dead.';
