-- A start writes its row anew. With room left it stays on its page; else each start of a group goes to whatever page of a
-- grown table has a hole of that size, a page of write-ahead log for each.
ALTER TABLE factory.jobs SET (fillfactor = 80);
