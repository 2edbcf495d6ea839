CREATE OR REPLACE VIEW liquid_feedback_version AS SELECT * FROM (VALUES ('4.2.0-incomplete-update')) AS version (string);

-- Debian has no such extension: the way from 4.1.0 is straight to 4.2.1.
CREATE EXTENSION conflux;

BEGIN;

CREATE OR REPLACE VIEW liquid_feedback_version AS SELECT * FROM (VALUES ('4.2.0')) AS version (string);

COMMIT;
