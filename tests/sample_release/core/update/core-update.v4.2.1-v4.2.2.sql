CREATE OR REPLACE VIEW liquidfeedback_version AS SELECT * FROM (VALUES ('4.2.0-incomplete-update')) AS version (string);

BEGIN;

CREATE OR REPLACE VIEW liquidfeedback_version AS SELECT * FROM (VALUES ('4.2.2')) AS version (string);

DROP INDEX member_location_idx;

COMMIT;
