-- What a new site needs to work: how long members count as active, and how much they may do within a time.
BEGIN;

WITH added AS (
    INSERT INTO system_setting (member_ttl)
    SELECT :'member_ttl'::interval WHERE NOT EXISTS (SELECT FROM system_setting)
    RETURNING 1
)
SELECT 'changed' FROM added;

WITH added AS (
    INSERT INTO contingent (polling, time_frame, text_entry_limit, initiative_limit)
    SELECT polling, (entry ->> 'time_frame')::interval, (entry ->> 'text_entries')::integer, (entry ->> 'initiatives')::integer
    FROM jsonb_array_elements(:'contingents'::jsonb) AS entry, (VALUES (FALSE), (TRUE)) AS kind (polling)
    WHERE NOT EXISTS (SELECT FROM contingent)
    RETURNING 1
)
SELECT DISTINCT 'changed' FROM added;

-- Monitoring reads how old the last count is, and nothing else.
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'monitoring') AS watched
\gset
\if :watched
GRANT SELECT ON member_count TO monitoring;
\endif

COMMIT;
