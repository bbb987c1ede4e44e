SELECT
    class.relname AS table_name,
    CASE class.relkind WHEN 'v' THEN 'view' ELSE 'table' END AS table_kind,
    obj_description(class.oid, 'pg_class') AS table_comment,
    attribute.attname AS column_name,
    format_type(attribute.atttypid, attribute.atttypmod) AS column_type,
    attribute.attnotnull AS required,
    pg_get_expr(value.adbin, value.adrelid) AS default_value,
    col_description(class.oid, attribute.attnum) AS column_comment
FROM pg_class AS class
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
LEFT JOIN pg_attrdef AS value ON value.adrelid = class.oid AND value.adnum = attribute.attnum
WHERE namespace.nspname = 'factory' AND class.relkind IN ('r', 'v')
ORDER BY class.relname, attribute.attnum
