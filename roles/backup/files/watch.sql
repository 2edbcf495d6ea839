-- What backups and the lock ledger ask the database: markers, who is locked or deleted, and what a restore is compared with.
-- The functions that read the application's tables belong to a role that may only read: whoever has the application's user can
-- put a view with code of his own in a table's place, and that code must not run as postgres.
BEGIN;
-- Whoever owns the database may have set another one for it.
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_min_messages = warning;
-- Rather fail and be run again than let the application wait behind this.
SET LOCAL lock_timeout = '10s';

\if :{?watch_user}
\else
\set watch_user bordbuch_watch
\endif

-- Where the application's schema comes later, its triggers are made by the next run.
SELECT coalesce(obj_description(to_regnamespace('bordbuch'), 'pg_namespace'), '') <> :'watch_version'
    OR to_regclass('public.member') IS NOT NULL
    AND (SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass('public.member') AND tgname ~ '^bordbuch_watch_') <> 3
    AS differs
\gset

\if :differs
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_namespace WHERE nspname = 'bordbuch' AND nspowner <> 'postgres'::regrole) THEN
        RAISE EXCEPTION 'The schema bordbuch belongs to somebody else. Nothing was changed; see what it is, and drop it.';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'bordbuch_reader') THEN
        CREATE ROLE bordbuch_reader NOLOGIN;
    END IF;
END;
$$;
GRANT pg_read_all_data TO bordbuch_reader;

CREATE SCHEMA IF NOT EXISTS bordbuch AUTHORIZATION postgres;
REVOKE ALL ON SCHEMA bordbuch FROM PUBLIC;
CREATE TABLE IF NOT EXISTS bordbuch.marker (
    number   bigint PRIMARY KEY,
    time     timestamptz NOT NULL,
    lsn      pg_lsn NOT NULL,
    timeline integer NOT NULL
);
-- Members whose row was removed. They count as locked, so that a restore that brings the row back does not let them in.
CREATE TABLE IF NOT EXISTS bordbuch.gone (id bigint PRIMARY KEY);
GRANT INSERT ON bordbuch.gone TO bordbuch_reader;

CREATE OR REPLACE FUNCTION bordbuch.timeline() RETURNS integer
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer
$$;

CREATE OR REPLACE FUNCTION bordbuch.newest() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(max(number), 0) FROM bordbuch.marker
$$;

-- Each restore to an earlier time begins a new timeline. As long as no marker was written on it, the ledger was not replayed.
CREATE OR REPLACE FUNCTION bordbuch.origin() RETURNS jsonb
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object(
        'recovery', pg_is_in_recovery(),
        'newest', bordbuch.newest(),
        'marked', (SELECT timeline FROM bordbuch.marker ORDER BY number DESC LIMIT 1),
        'timeline', CASE WHEN NOT pg_is_in_recovery() THEN bordbuch.timeline() END
    )
$$;

CREATE OR REPLACE FUNCTION bordbuch.mark(wanted bigint) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made bordbuch.marker;
BEGIN
    INSERT INTO bordbuch.marker (number, time, lsn, timeline)
        VALUES (wanted, date_trunc('second', clock_timestamp()), pg_current_wal_insert_lsn(), bordbuch.timeline())
        RETURNING * INTO made;
    DELETE FROM bordbuch.marker WHERE time < made.time - interval '8 days' AND number < wanted;
    RETURN jsonb_build_object(
        'time', to_char(made.time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'lsn', made.lsn);
END;
$$;

-- Called after mark has committed, so that a recovery to this point has the marker.
CREATE OR REPLACE FUNCTION bordbuch.point(wanted bigint) RETURNS jsonb
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object('lsn', pg_create_restore_point('bordbuch-' || wanted))
$$;

-- plpgsql and not sql where the application's tables stand in the body: those may come later.
CREATE OR REPLACE FUNCTION bordbuch.members() RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        SELECT jsonb_build_object(
            -- The sequence too, which does not go back when the highest row is removed.
            'highest', greatest(max(id), pg_sequence_last_value(pg_get_serial_sequence('public.member', 'id')::regclass), 0),
            'locked', coalesce(jsonb_agg(id ORDER BY id) FILTER (WHERE locked AND deleted IS NULL), '[]'),
            'deleted', coalesce(jsonb_agg(id ORDER BY id) FILTER (WHERE deleted IS NOT NULL), '[]')
        )
        FROM (
            SELECT id, locked, deleted FROM public.member
            UNION ALL
            SELECT id, TRUE, NULL FROM bordbuch.gone WHERE NOT EXISTS (SELECT FROM public.member WHERE member.id = gone.id)
        ) AS known
    );
END;
$$;

CREATE OR REPLACE FUNCTION bordbuch.counts() RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found jsonb := '{}';
    name text;
    rows bigint;
BEGIN
    FOR name IN
        SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('public') AND relkind IN ('r', 'p') ORDER BY relname
    LOOP
        EXECUTE format('SELECT count(*) FROM public.%I', name) INTO rows;
        found := found || jsonb_build_object('public.' || name, rows);
    END LOOP;
    RETURN found;
END;
$$;

CREATE OR REPLACE FUNCTION bordbuch.facts() RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN jsonb_build_object(
        'schema_version', (SELECT string FROM public.liquid_feedback_version),
        'server_version', (current_setting('server_version_num')::integer / 10000)::text,
        'roles', (SELECT jsonb_agg(rolname ORDER BY rolname) FROM pg_roles WHERE rolname !~ '^pg_'),
        'extensions', (SELECT jsonb_object_agg(extname, extversion) FROM pg_extension),
        'databases', (SELECT jsonb_agg(datname ORDER BY datname) FROM pg_database WHERE NOT datistemplate),
        'collation', (SELECT datcollversion FROM pg_database WHERE datname = current_database()),
        'counts', bordbuch.counts(),
        'sequences', (SELECT coalesce(jsonb_object_agg('public.' || sequencename, last_value), '{}')
                      FROM pg_sequences WHERE schemaname = 'public'),
        'large_objects', (SELECT count(*) FROM pg_largeobject_metadata)
    );
END;
$$;

CREATE OR REPLACE FUNCTION bordbuch.announce() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO bordbuch.gone SELECT id FROM removed ON CONFLICT DO NOTHING;
    ELSIF TG_OP = 'TRUNCATE' THEN
        INSERT INTO bordbuch.gone SELECT id FROM public.member ON CONFLICT DO NOTHING;
    END IF;
    PERFORM pg_notify('bordbuch_members', '');
    RETURN NULL;
END;
$$;

ALTER FUNCTION bordbuch.members() OWNER TO bordbuch_reader;
ALTER FUNCTION bordbuch.counts() OWNER TO bordbuch_reader;
ALTER FUNCTION bordbuch.facts() OWNER TO bordbuch_reader;
ALTER FUNCTION bordbuch.announce() OWNER TO bordbuch_reader;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA bordbuch FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO :"watch_user";
GRANT USAGE ON SCHEMA bordbuch TO :"watch_user";
GRANT EXECUTE ON FUNCTION bordbuch.newest(), bordbuch.origin(), bordbuch.mark(bigint), bordbuch.point(bigint),
    bordbuch.members(), bordbuch.facts() TO :"watch_user";

SELECT to_regclass('public.member') IS NOT NULL AS has_members
\gset
\if :has_members
DROP TRIGGER IF EXISTS bordbuch_watch_changed ON public.member;
DROP TRIGGER IF EXISTS bordbuch_watch_removed ON public.member;
DROP TRIGGER IF EXISTS bordbuch_watch_emptied ON public.member;
CREATE TRIGGER bordbuch_watch_changed AFTER INSERT OR UPDATE OF locked, deleted ON public.member
    FOR EACH STATEMENT EXECUTE FUNCTION bordbuch.announce();
CREATE TRIGGER bordbuch_watch_removed AFTER DELETE ON public.member REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION bordbuch.announce();
CREATE TRIGGER bordbuch_watch_emptied BEFORE TRUNCATE ON public.member
    FOR EACH STATEMENT EXECUTE FUNCTION bordbuch.announce();
\endif

COMMENT ON SCHEMA bordbuch IS :'watch_version';
SELECT 'changed';
\endif

COMMIT;
