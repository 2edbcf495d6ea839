-- Make the ledger's last words true in a restored database. replay.py puts this into a transaction with the temporary tables
-- ledger (id, state) and given (number, highest).
SET LOCAL client_min_messages = warning;
SET LOCAL lock_timeout = '60s';
SET LOCAL statement_timeout = 0;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = 'member') THEN
        RAISE EXCEPTION 'This database has no members: it is not the one that the ledger belongs to. Nothing was changed.';
    END IF;
END;
$$;

-- What the application's tables and functions run, triggers too, runs as their owner and not as postgres: the copy may come from
-- a time when somebody else had the application's user.
CREATE FUNCTION pg_temp.replay() RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    sequence regclass := pg_get_serial_sequence('public.member', 'id');
    highest bigint;
    sessions bigint;
    tokens bigint;
    locked_now bigint;
    deleted_now bigint;
    open_still bigint;
BEGIN
    SET CONSTRAINTS ALL IMMEDIATE;
    -- Nobody new gets the id of one who is locked.
    SELECT greatest(given.highest, (SELECT max(id) FROM public.member), pg_sequence_last_value(sequence))
        INTO highest FROM pg_temp.given;
    IF highest > coalesce(pg_sequence_last_value(sequence), 0) THEN
        PERFORM setval(sequence, highest);
    END IF;

    -- Tokens first: they refer to sessions.
    DELETE FROM public.token;
    GET DIAGNOSTICS tokens = ROW_COUNT;
    DELETE FROM public.session;
    GET DIAGNOSTICS sessions = ROW_COUNT;

    PERFORM public.delete_member(member.id) FROM public.member JOIN pg_temp.ledger USING (id)
        WHERE ledger.state = 'deleted' AND member.deleted IS NULL;
    GET DIAGNOSTICS deleted_now = ROW_COUNT;
    UPDATE public.member SET locked = TRUE, active = FALSE FROM pg_temp.ledger
        WHERE ledger.id = member.id AND ledger.state = 'locked' AND (NOT member.locked OR member.active);
    GET DIAGNOSTICS locked_now = ROW_COUNT;

    SELECT count(*) INTO open_still FROM public.member JOIN pg_temp.ledger USING (id)
        WHERE ledger.state IN ('locked', 'deleted') AND (NOT member.locked OR member.active)
        OR ledger.state = 'deleted' AND member.deleted IS NULL;
    IF open_still > 0 THEN
        RAISE EXCEPTION '% members are still not as the ledger says. Nothing was changed; look for what undoes it.', open_still;
    END IF;

    RETURN jsonb_build_object(
        'ledger', (SELECT count(*) FROM pg_temp.ledger),
        'locked', locked_now,
        'deleted', deleted_now,
        'missing', (SELECT coalesce(jsonb_agg(id), '[]') FROM pg_temp.ledger
            WHERE state IN ('locked', 'deleted') AND NOT EXISTS (SELECT FROM public.member WHERE member.id = ledger.id)),
        'unlocked_since', (SELECT count(*) FROM public.member JOIN pg_temp.ledger USING (id)
            WHERE ledger.state = 'unlocked' AND member.locked AND member.deleted IS NULL),
        'sessions', sessions,
        'tokens', tokens,
        'highest', highest
    );
END;
$$;

SELECT tableowner AS application FROM pg_tables WHERE schemaname = 'public' AND tablename = 'member'
\gset
GRANT SELECT ON pg_temp.ledger, pg_temp.given TO :"application";
ALTER FUNCTION pg_temp.replay() OWNER TO :"application";
CREATE TEMPORARY TABLE replayed ON COMMIT DROP AS SELECT pg_temp.replay() AS counts;

-- The marker tells who keeps the ledger that it was replayed. A copy from before there were markers has no place for it.
DO $$
BEGIN
    IF to_regclass('bordbuch.marker') IS NOT NULL THEN
        -- Those who are not in the copy stay locked in the ledger: a later restore may bring them back.
        INSERT INTO bordbuch.gone SELECT jsonb_array_elements_text(counts -> 'missing')::bigint FROM pg_temp.replayed
            ON CONFLICT DO NOTHING;
        INSERT INTO bordbuch.marker (number, time, lsn, timeline)
            SELECT greatest(given.number, bordbuch.newest()) + 1, date_trunc('second', clock_timestamp()),
                pg_current_wal_insert_lsn(), bordbuch.timeline()
            FROM pg_temp.given;
    END IF;
END;
$$;

SELECT counts || jsonb_build_object('missing', jsonb_array_length(counts -> 'missing')) FROM pg_temp.replayed;
