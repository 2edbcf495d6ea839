-- A login sets `active` without a look at `locked`, and only `active` counts in votes: a locked member who logs in would count
-- again. So no row may be both. After an unlock the next login sets `active`, as ever.
BEGIN;

SELECT coalesce(obj_description(to_regproc('bordbuch_keep_locked'), 'pg_proc'), '') <> :'lock_version' AS differs
\gset

\if :differs
CREATE OR REPLACE FUNCTION bordbuch_keep_locked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.locked THEN
        NEW.active := FALSE;
    END IF;
    RETURN NEW;
END;
$$;

DROP TRIGGER IF EXISTS bordbuch_keep_locked ON member;
CREATE TRIGGER bordbuch_keep_locked BEFORE INSERT OR UPDATE ON member
    FOR EACH ROW EXECUTE FUNCTION bordbuch_keep_locked();

-- Who was locked and active at once when this came.
UPDATE member SET active = FALSE WHERE locked AND active;

COMMENT ON FUNCTION bordbuch_keep_locked() IS :'lock_version';
SELECT 'changed';
\endif

COMMIT;
