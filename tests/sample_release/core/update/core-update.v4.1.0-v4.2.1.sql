CREATE OR REPLACE VIEW liquid_feedback_version AS SELECT * FROM (VALUES ('4.2.0-incomplete-update')) AS version (string);

BEGIN;

CREATE OR REPLACE VIEW liquid_feedback_version AS SELECT * FROM (VALUES ('4.2.1')) AS version (string);

ALTER TABLE member ADD COLUMN location JSONB;
CREATE INDEX member_location_idx ON member USING gin (location);

-- Counted by lf_update itself from here on: programs and schema of one version belong together.
DROP FUNCTION calculate_member_counts();

COMMIT;
