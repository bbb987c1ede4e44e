SELECT class.relname AS table_name, pg_get_constraintdef(entry.oid) AS definition
FROM pg_constraint AS entry
JOIN pg_class AS class ON class.oid = entry.conrelid
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE namespace.nspname = 'factory' AND entry.contype IN ('p', 'u', 'f', 'c')
ORDER BY class.relname, entry.contype DESC, definition
