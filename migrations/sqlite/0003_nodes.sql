-- One process owns the file: who lives and whose turn it is needs no tables. The number is that of the shared store's.
select 1;
