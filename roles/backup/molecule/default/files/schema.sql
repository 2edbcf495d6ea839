-- Of LiquidFeedback's schema what backups, the ledger and drills look at, and forty members, three of them with sessions.
BEGIN;
SET ROLE liquidfeedback;

CREATE VIEW liquid_feedback_version AS SELECT '4.2.2'::text AS string;

CREATE TABLE member (
    id      serial PRIMARY KEY,
    name    text UNIQUE NOT NULL,
    deleted timestamptz,
    locked  boolean NOT NULL DEFAULT FALSE,
    active  boolean NOT NULL DEFAULT TRUE,
    CONSTRAINT deleted_is_locked CHECK (deleted IS NULL OR locked)
);
CREATE TABLE session (ident text PRIMARY KEY, member_id integer NOT NULL REFERENCES member);
CREATE TABLE token (token text PRIMARY KEY, member_id integer NOT NULL REFERENCES member);

CREATE FUNCTION delete_member(member_id_p integer) RETURNS void LANGUAGE sql AS $$
    UPDATE member SET deleted = now(), locked = TRUE, active = FALSE WHERE id = member_id_p;
    DELETE FROM session WHERE member_id = member_id_p;
    DELETE FROM token WHERE member_id = member_id_p;
$$;

INSERT INTO member (name) SELECT 'Planted-Name-' || number FROM generate_series(1, 40) AS number;
INSERT INTO session SELECT 'session-' || number, number FROM generate_series(1, 3) AS number;
INSERT INTO token SELECT 'token-' || number, number FROM generate_series(1, 3) AS number;

COMMIT;
