-- Nothing: SQLite is told which index a claim reads. PostgreSQL has to be kept from another.
select 1;
