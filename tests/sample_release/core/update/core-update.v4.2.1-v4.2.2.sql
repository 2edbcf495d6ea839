BEGIN;

CREATE OR REPLACE VIEW liquid_feedback_version AS SELECT * FROM (VALUES ('4.2.2')) AS version (string);

DROP INDEX member_location_idx;

COMMIT;
