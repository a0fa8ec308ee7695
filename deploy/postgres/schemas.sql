-- One role and one schema per service: role = schema = service name. For psql, any number of times.
-- Passwords come from the environment: INGEST_DB_PASSWORD and so on.
-- The image of docker-compose.yml runs this file on its first start, the local runtime on each start.
\set ON_ERROR_STOP on
\set QUIET on
\getenv ingest_password INGEST_DB_PASSWORD
\getenv profile_password PROFILE_DB_PASSWORD
\getenv segment_password SEGMENT_DB_PASSWORD
\getenv campaign_password CAMPAIGN_DB_PASSWORD
\getenv feedback_password FEEDBACK_DB_PASSWORD

-- Two stacks that start at once on one server take turns.
BEGIN;
SELECT pg_advisory_xact_lock(hashtext('rapport.schemas')) \g /dev/null

CREATE TEMPORARY TABLE service (name text, password text) ON COMMIT DROP;
INSERT INTO service VALUES
    ('ingest', :'ingest_password'),
    ('profile', :'profile_password'),
    ('segment', :'segment_password'),
    ('campaign', :'campaign_password'),
    ('feedback', :'feedback_password');

-- Roles are shared by all databases of a server: never take over one that is somebody else's.
DO $$
DECLARE
    foreign_role text;
BEGIN
    SELECT r.rolname INTO foreign_role
    FROM pg_roles r JOIN service s ON s.name = r.rolname
    WHERE shobj_description(r.oid, 'pg_authid') IS DISTINCT FROM 'rapport';
    IF FOUND THEN
        RAISE EXCEPTION 'role "%" exists and was not made by Rapport', foreign_role;
    END IF;
END $$;

SELECT format('CREATE ROLE %I LOGIN', name)
FROM service WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
SELECT format('COMMENT ON ROLE %I IS ''rapport''', name) FROM service \gexec
SELECT format('ALTER ROLE %I PASSWORD %L', name, password) FROM service \gexec
-- Who is not a superuser must be a member of a role to give it a schema.
SELECT format('GRANT %I TO CURRENT_USER', name)
FROM service WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) \gexec
SELECT format('CREATE SCHEMA %I AUTHORIZATION %I', name, name)
FROM service WHERE NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = name) \gexec
-- Nothing of ours lives in `public`, and no service reads another's schema.
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), name) FROM service \gexec
SELECT format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', name) FROM service \gexec
COMMIT;
