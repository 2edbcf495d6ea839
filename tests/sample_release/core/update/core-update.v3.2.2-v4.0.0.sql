BEGIN;

CREATE OR REPLACE VIEW liquid_feedback_version AS SELECT * FROM (VALUES ('4.0.0')) AS version (string);

-- As in the real one: nobody comes from 3.2.2 without pgLatLon.
CREATE EXTENSION latlon;

COMMIT;
