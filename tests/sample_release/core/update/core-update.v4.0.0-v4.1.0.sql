-- In no transaction: PostgreSQL before 12 took no new value of a type inside one.
ALTER TYPE event_type ADD VALUE IF NOT EXISTS 'member_activated' BEFORE 'member_changed';

BEGIN;

CREATE OR REPLACE VIEW liquid_feedback_version AS SELECT * FROM (VALUES ('4.1.0')) AS version (string);

COMMIT;
