-- Nothing: the one process that owns the file has the lanes itself. Nodes that share a database tell one another of theirs.
select 1;
