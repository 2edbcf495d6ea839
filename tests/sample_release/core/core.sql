-- Stand-in for the core of LiquidFeedback: the tables and columns that operations touch, and no more.
-- The packing program leaves out what stands between the marks `from` and `until` for other versions.

BEGIN;

CREATE VIEW liquid_feedback_version AS SELECT * FROM (VALUES ('@VERSION@')) AS version (string);
-- The same under a name that the real one does not have, for roles that ask by it.
CREATE VIEW liquidfeedback_version AS SELECT * FROM liquid_feedback_version;

CREATE TABLE system_setting (member_ttl INTERVAL);
CREATE UNIQUE INDEX system_setting_one_row ON system_setting ((member_ttl IS NULL OR member_ttl IS NOT NULL));

CREATE TABLE contingent (
  polling           BOOLEAN,
  time_frame        INTERVAL,
  text_entry_limit  INT4,
  initiative_limit  INT4,
  PRIMARY KEY (polling, time_frame)
);

CREATE TABLE member (
  id                       SERIAL4 PRIMARY KEY,
  created                  TIMESTAMPTZ NOT NULL DEFAULT now(),
  deleted                  TIMESTAMPTZ,
  invite_code              TEXT UNIQUE,
  invite_code_expiry       TIMESTAMPTZ,
  admin_comment            TEXT,
  activated                TIMESTAMPTZ,
  last_activity            DATE,
  last_login               TIMESTAMPTZ,
  login                    TEXT UNIQUE,
  password                 TEXT,
  authority                TEXT,
  authority_uid            TEXT,
  authority_login          TEXT,
  locked                   BOOLEAN NOT NULL DEFAULT FALSE,
  active                   BOOLEAN NOT NULL DEFAULT FALSE,
  admin                    BOOLEAN NOT NULL DEFAULT FALSE,
  lang                     TEXT,
  notify_email             TEXT,
  notify_email_unconfirmed TEXT,
  notify_email_secret      TEXT UNIQUE,
  login_recovery_expiry    TIMESTAMPTZ,
  password_reset_secret    TEXT UNIQUE,
  disable_notifications    BOOLEAN NOT NULL DEFAULT FALSE,
  unsubscribe_secret       TEXT,
  name                     TEXT UNIQUE,
  identification           TEXT UNIQUE,
  authentication           TEXT,
-- @from 4.2.1
  location                 JSONB,
-- @end
  CONSTRAINT deleted_is_locked CHECK (deleted IS NULL OR locked),
  CONSTRAINT active_is_activated CHECK (NOT active OR (activated IS NOT NULL AND last_activity IS NOT NULL)),
  CONSTRAINT activated_has_name CHECK (activated IS NULL OR name IS NOT NULL)
);
-- @from 4.2.1
-- @until 4.2.1
CREATE INDEX member_location_idx ON member USING gin (location);
-- @end
-- @end

CREATE TABLE member_history (
  id         SERIAL8 PRIMARY KEY,
  member_id  INT4 NOT NULL REFERENCES member ON DELETE CASCADE,
  until      TIMESTAMPTZ NOT NULL DEFAULT now(),
  active     BOOLEAN NOT NULL,
  name       TEXT NOT NULL
);

CREATE TABLE member_count (calculated TIMESTAMPTZ NOT NULL DEFAULT now(), total_count INT4 NOT NULL);

CREATE TABLE session (
  ident      TEXT PRIMARY KEY,
  expiry     TIMESTAMPTZ NOT NULL DEFAULT now() + INTERVAL '24 hours',
  member_id  INT4 REFERENCES member ON DELETE CASCADE
);

CREATE TABLE token (
  id         SERIAL8 PRIMARY KEY,
  token      TEXT NOT NULL UNIQUE,
  expiry     TIMESTAMPTZ NOT NULL DEFAULT now() + INTERVAL '1 hour',
  member_id  INT4 NOT NULL REFERENCES member ON DELETE CASCADE
);

CREATE TABLE unit (
  id         SERIAL4 PRIMARY KEY,
  parent_id  INT4 REFERENCES unit,
  active     BOOLEAN NOT NULL DEFAULT TRUE,
  name       TEXT NOT NULL
);

CREATE TABLE privilege (
  unit_id           INT4 REFERENCES unit ON DELETE CASCADE,
  member_id         INT4 REFERENCES member ON DELETE CASCADE,
  initiative_right  BOOLEAN NOT NULL DEFAULT TRUE,
  voting_right      BOOLEAN NOT NULL DEFAULT TRUE,
  polling_right     BOOLEAN NOT NULL DEFAULT FALSE,
  weight            INT4 NOT NULL DEFAULT 1 CHECK (weight >= 0),
  PRIMARY KEY (unit_id, member_id)
);

CREATE TABLE issue (id SERIAL4 PRIMARY KEY, unit_id INT4 NOT NULL REFERENCES unit, place INT4);
CREATE TABLE suggestion (id SERIAL8 PRIMARY KEY, issue_id INT4 NOT NULL REFERENCES issue ON DELETE CASCADE, place INT4);

CREATE TYPE event_type AS ENUM (
-- @from 4.1.0
  'member_activated',
-- @end
  'member_changed'
);
CREATE TABLE event (
  id          SERIAL8 PRIMARY KEY,
  occurrence  TIMESTAMPTZ NOT NULL DEFAULT now(),
  event       event_type NOT NULL,
  member_id   INT4 REFERENCES member ON DELETE CASCADE
);

CREATE TABLE newsletter (
  id         SERIAL4 PRIMARY KEY,
  published  TIMESTAMPTZ NOT NULL DEFAULT now(),
  subject    TEXT NOT NULL,
  content    TEXT NOT NULL,
  sent       TIMESTAMPTZ
);

-- Of the stand-in alone: a row for each time that the counted request was carried out.
CREATE TABLE standin_execution (key TEXT NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT now());
CREATE INDEX standin_execution_key ON standin_execution (key);

CREATE FUNCTION write_event_member() RETURNS TRIGGER LANGUAGE plpgsql AS $$
  BEGIN
    IF ROW (NEW.active, NEW.name, NEW.locked) IS DISTINCT FROM ROW (OLD.active, OLD.name, OLD.locked) THEN
      INSERT INTO event (event, member_id) VALUES ('member_changed', NEW.id);
      IF OLD.name IS NOT NULL THEN
        INSERT INTO member_history (member_id, active, name) VALUES (OLD.id, OLD.active, OLD.name);
      END IF;
    END IF;
    RETURN NULL;
  END;
$$;
CREATE TRIGGER write_event_member AFTER UPDATE ON member FOR EACH ROW EXECUTE FUNCTION write_event_member();

-- Keeps name, identification, invite_code and privileges, as the real one does.
CREATE FUNCTION delete_member(member_id_p INT4) RETURNS VOID LANGUAGE plpgsql AS $$
  BEGIN
    UPDATE member SET
      deleted = coalesce(deleted, now()), locked = TRUE, active = FALSE, login = NULL, password = NULL, authority = NULL,
      authority_uid = NULL, authority_login = NULL, notify_email = NULL, notify_email_unconfirmed = NULL,
      notify_email_secret = NULL, login_recovery_expiry = NULL, password_reset_secret = NULL
      WHERE id = member_id_p;
    DELETE FROM session WHERE member_id = member_id_p;
    DELETE FROM token WHERE member_id = member_id_p;
  END;
$$;

-- Leaves what the real one leaves: name, identification, authentication, unsubscribe_secret, admin, member_history.
CREATE FUNCTION delete_private_data() RETURNS VOID LANGUAGE plpgsql AS $$
  BEGIN
    DELETE FROM member WHERE activated IS NULL;
    UPDATE member SET
      invite_code = NULL, invite_code_expiry = NULL, admin_comment = NULL, last_login = NULL, login = NULL, password = NULL,
      authority = NULL, authority_uid = NULL, authority_login = NULL, lang = NULL, notify_email = NULL,
      notify_email_unconfirmed = NULL, notify_email_secret = NULL, login_recovery_expiry = NULL, password_reset_secret = NULL;
    DELETE FROM session;
    DELETE FROM token;
  END;
$$;

-- @until 4.2.0
CREATE FUNCTION calculate_member_counts() RETURNS VOID LANGUAGE plpgsql AS $$
  BEGIN
    DELETE FROM member_count;
    INSERT INTO member_count (total_count) SELECT count(*) FROM member WHERE active;
  END;
$$;

-- @end
COMMIT;
