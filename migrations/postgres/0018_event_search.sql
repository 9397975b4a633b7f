-- Nothing: SQLite looks for events block by block. PostgreSQL has an index of their subjects.
select 1;
