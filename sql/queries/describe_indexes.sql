SELECT entry.tablename AS table_name, entry.indexdef AS definition
FROM pg_indexes AS entry
WHERE entry.schemaname = 'factory'
    AND NOT EXISTS (SELECT 1 FROM pg_constraint AS made WHERE made.conname = entry.indexname)
ORDER BY entry.tablename, entry.indexname
