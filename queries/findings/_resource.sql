-- What the inventory says of each resource: of several snapshots that know it, the newest.
WITH keyed AS (
    SELECT ledger.resource_key(resource_id) AS resource_key, *
    FROM inventory.resources
    WHERE resource_id IS NOT NULL
),

resource AS (
    SELECT *
    FROM keyed
    QUALIFY ROW_NUMBER() OVER (PARTITION BY resource_key ORDER BY seen_at DESC NULLS LAST, source_id, load_id) = 1
)

SELECT * FROM resource
