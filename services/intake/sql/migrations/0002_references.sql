-- That a reference counts once is the door's business: its key makes the second of two racing transactions try
-- again and find the first. A unique index here was hit before the door's, and no such retry follows.

drop index state_by_ref;
create index state_by_reference on state (source, source_ref) where source_ref is not null;
