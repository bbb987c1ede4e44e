-- What a cache hit stands for: who answered once, under which name, and how much that took.

ALTER TABLE factory.cache_hits
    ADD COLUMN provider text, ADD COLUMN alias text, ADD COLUMN variant text, ADD COLUMN batch_id uuid, ADD COLUMN usage jsonb;
