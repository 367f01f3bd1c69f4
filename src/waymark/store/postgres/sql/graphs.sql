-- name: put_graph
-- Stores a graph unless its hash is there.
insert into :"schema".graphs (hash, workflow, document)
values ($1, $2, $3)
on conflict (hash) do nothing;

-- name: get_graph
-- The document of a graph.
select document from :"schema".graphs where hash = $1;
