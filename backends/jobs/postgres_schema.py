"""The tables of jobs in PostgreSQL, and its statements. Times are Unix seconds of its clock."""

LOCK = 0x6A6F6273  # "jobs": who makes the tables

FIELDS = (
    "id, queue, name, state, payload, priority, uniq, attempt, attempts, created, due, started,"
    " ended, progress, note, error, result, worker, cancelling"
)

THERE = "SELECT to_regclass('gateway_job_fires') IS NOT NULL"

SCHEMA = """
CREATE TABLE IF NOT EXISTS gateway_jobs (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue text NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    state text NOT NULL,
    payload bytea NOT NULL,
    priority int NOT NULL,
    uniq text,
    attempt int NOT NULL DEFAULT 0,
    attempts int NOT NULL,
    rules bytea NOT NULL,
    fence bigint NOT NULL DEFAULT 0,
    created float8 NOT NULL,
    due float8 NOT NULL,
    lease float8,
    started float8,
    ended float8,
    progress float8 NOT NULL DEFAULT 0,
    note text NOT NULL DEFAULT '',
    error text,
    result bytea,
    worker text,
    cancelling boolean NOT NULL DEFAULT false,
    UNIQUE (queue, id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX IF NOT EXISTS gateway_jobs_ready ON gateway_jobs (queue, priority DESC, due, seq)
    WHERE state = 'ready';
CREATE INDEX IF NOT EXISTS gateway_jobs_delayed ON gateway_jobs (queue, due)
    WHERE state = 'delayed';
CREATE INDEX IF NOT EXISTS gateway_jobs_running ON gateway_jobs (queue, lease)
    WHERE state = 'running';
CREATE INDEX IF NOT EXISTS gateway_jobs_ended ON gateway_jobs (queue, state, ended DESC, seq DESC)
    WHERE ended IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS gateway_jobs_unique ON gateway_jobs (queue, uniq)
    WHERE uniq IS NOT NULL AND ended IS NULL;
CREATE TABLE IF NOT EXISTS gateway_job_queues (queue text PRIMARY KEY);
CREATE TABLE IF NOT EXISTS gateway_job_fires (
    queue text NOT NULL, schedule text NOT NULL, at float8 NOT NULL, PRIMARY KEY (queue, schedule)
)
"""

NOW = "extract(epoch from now())::float8"

LISTED = "INSERT INTO gateway_job_queues VALUES ($1) ON CONFLICT DO NOTHING"

NEW = f"""
INSERT INTO gateway_jobs
    (queue, id, name, payload, priority, uniq, attempts, rules, state, created, due)
SELECT $1, id, name, payload, priority, uniq, attempts, rules,
    CASE WHEN delay > 0 THEN 'delayed' ELSE 'ready' END, {NOW}, {NOW} + delay
FROM unnest($3::text[], $4::text[], $5::bytea[], $6::int[], $7::text[], $8::int[], $9::bytea[],
        $10::float8[]) WITH ORDINALITY
    AS one (id, name, payload, priority, uniq, attempts, rules, delay, place)
"""  # noqa: S608 - ours

ENQUEUE = f"""
WITH new AS ({NEW} ORDER BY place ON CONFLICT DO NOTHING RETURNING id)
SELECT id, pg_notify($2, $1) FROM new
"""  # noqa: S608 - ours

FIRE = f"""
WITH first AS (
    INSERT INTO gateway_job_fires VALUES ($1, $11, $12)
    ON CONFLICT (queue, schedule) DO UPDATE SET at = excluded.at
        WHERE gateway_job_fires.at < excluded.at
    RETURNING at
), new AS ({NEW}, first ON CONFLICT DO NOTHING)
SELECT pg_notify($2, $1) FROM first
"""  # noqa: S608 - ours

STANDING_FOR = """
SELECT asked.place, job.id
FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS asked (id, uniq, place)
CROSS JOIN LATERAL (
    SELECT id FROM gateway_jobs WHERE queue = $1 AND id = asked.id
    UNION ALL
    SELECT id FROM gateway_jobs WHERE queue = $1 AND uniq = asked.uniq AND ended IS NULL
    LIMIT 1) AS job
"""

WAITING = """
SELECT (SELECT count(*) FROM
        (SELECT 1 FROM gateway_jobs WHERE queue = $1 AND state = 'ready' LIMIT $2) AS a)
    + (SELECT count(*) FROM
        (SELECT 1 FROM gateway_jobs WHERE queue = $1 AND state = 'delayed' LIMIT $2) AS b)
"""

JOB = f"SELECT {FIELDS} FROM gateway_jobs WHERE queue = $1 AND id = $2"  # noqa: S608 - ours

MEND = f"""
WITH promoted AS (
    UPDATE gateway_jobs SET state = 'ready' WHERE seq IN (
        SELECT seq FROM gateway_jobs WHERE queue = $1 AND state = 'delayed' AND due <= {NOW}
        ORDER BY due LIMIT 1000 FOR UPDATE SKIP LOCKED)
)
UPDATE gateway_jobs SET
    state = CASE WHEN cancelling THEN 'cancelled' WHEN attempt >= attempts THEN 'dead'
            ELSE 'ready' END,
    ended = CASE WHEN cancelling OR attempt >= attempts THEN {NOW} END,
    error = $2, lease = NULL, worker = NULL
WHERE seq IN (
    SELECT seq FROM gateway_jobs WHERE queue = $1 AND state = 'running' AND lease <= {NOW}
    ORDER BY lease LIMIT 1000 FOR UPDATE SKIP LOCKED)
"""  # noqa: S608 - ours

CLAIM = f"""
WITH next AS MATERIALIZED (
    SELECT seq FROM gateway_jobs WHERE queue = $1 AND state = 'ready'
    ORDER BY priority DESC, due, seq LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE gateway_jobs AS job SET state = 'running', fence = fence + 1, attempt = attempt + 1,
    lease = {NOW} + $3, worker = $4, started = {NOW}, progress = 0, note = ''
FROM next WHERE job.seq = next.seq
RETURNING priority, due, job.seq, id, fence, name, payload, attempt, attempts, rules
"""  # noqa: S608 - ours

BEAT = f"""
UPDATE gateway_jobs AS job SET lease = {NOW} + $2,
    progress = coalesce(said.progress, job.progress), note = coalesce(said.note, job.note)
FROM unnest($3::text[], $4::bigint[], $5::float8[], $6::text[]) AS said (id, fence, progress, note)
WHERE job.queue = $1 AND job.id = said.id AND job.fence = said.fence AND job.state = 'running'
RETURNING job.id, job.fence, job.cancelling
"""  # noqa: S608 - ours

FINISH = f"""
WITH finished AS (
    UPDATE gateway_jobs AS job SET
        state = CASE
            WHEN verdict IN ('done', 'cancelled', 'dead') THEN verdict
            WHEN cancelling THEN 'cancelled'
            WHEN verdict = 'release' THEN 'ready'
            WHEN attempt >= attempts THEN 'dead'
            WHEN delay > 0 THEN 'delayed'
            ELSE 'ready' END,
        attempt = attempt - (verdict = 'release')::int,
        due = CASE WHEN verdict = 'retry' THEN {NOW} + delay ELSE due END,
        ended = CASE WHEN verdict IN ('done', 'cancelled', 'dead') OR cancelling
            OR (verdict = 'retry' AND attempt >= attempts) THEN {NOW} END,
        progress = CASE WHEN verdict = 'done' THEN 1 ELSE progress END,
        result = said.result,
        error = CASE WHEN verdict = 'release' THEN job.error ELSE said.error END,
        lease = NULL,
        worker = CASE WHEN verdict IN ('done', 'dead') THEN worker END
    FROM unnest($3::text[], $4::bigint[], $5::text[], $6::float8[], $7::bytea[], $8::text[])
        AS said (id, fence, verdict, delay, result, error)
    WHERE job.queue = $1 AND job.id = said.id AND job.fence = said.fence
        AND job.state = 'running'
    RETURNING job.id, job.fence, job.state
)
SELECT id, fence, CASE WHEN state IN ('ready', 'delayed') THEN pg_notify($2, $1) END FROM finished
"""  # noqa: S608 - ours

CANCEL = f"""
UPDATE gateway_jobs SET
    cancelling = true,
    ended = CASE WHEN state = 'running' THEN NULL ELSE {NOW} END,
    state = CASE WHEN state = 'running' THEN 'running' ELSE 'cancelled' END
WHERE queue = $1 AND id = $2 AND state IN ('delayed', 'ready', 'running') RETURNING 1
"""  # noqa: S608 - ours

OLDEST_DEAD = """
SELECT id FROM gateway_jobs WHERE queue = $1 AND state = 'dead' AND ended IS NOT NULL
ORDER BY ended, seq LIMIT 1000
"""

REPLAY = f"""
UPDATE gateway_jobs AS job
SET state = 'ready', attempt = 0, due = {NOW}, ended = NULL, cancelling = false
WHERE queue = $1 AND id = $2 AND state = 'dead' AND NOT EXISTS (
    SELECT 1 FROM gateway_jobs AS other
    WHERE other.queue = $1 AND other.uniq = job.uniq AND other.ended IS NULL)
RETURNING pg_notify($3, $1)
"""  # noqa: S608 - ours

DISCARD = """
DELETE FROM gateway_jobs WHERE queue = $1 AND id = ANY($2::text[]) AND state = 'dead' RETURNING 1
"""

NEXT = f"""
SELECT least((SELECT min(due) FROM gateway_jobs WHERE queue = $1 AND state = 'delayed'),
    (SELECT min(lease) FROM gateway_jobs WHERE queue = $1 AND state = 'running')) - {NOW}
"""  # noqa: S608 - ours

TO_DO = f"""
SELECT EXISTS (SELECT 1 FROM gateway_jobs WHERE queue = $1 AND state = 'ready')
    OR EXISTS (SELECT 1 FROM gateway_jobs
        WHERE queue = $1 AND state = 'delayed' AND due <= {NOW})
    OR EXISTS (SELECT 1 FROM gateway_jobs
        WHERE queue = $1 AND state = 'running' AND lease <= {NOW})
"""  # noqa: S608 - ours

FORGET = """
DELETE FROM gateway_jobs WHERE seq IN (
    SELECT seq FROM gateway_jobs WHERE queue = $1 AND state = $2 AND ended IS NOT NULL
    ORDER BY ended DESC, seq DESC LIMIT 1000 OFFSET $3 FOR UPDATE SKIP LOCKED)
"""

FORGET_OLD = f"""
DELETE FROM gateway_jobs WHERE seq IN (
    SELECT seq FROM gateway_jobs WHERE queue = $1 AND state = $2 AND ended < {NOW} - $3
    ORDER BY ended LIMIT 1000 FOR UPDATE SKIP LOCKED)
"""  # noqa: S608 - ours

STATS = f"""
SELECT {
    ", ".join(
        f"(SELECT count(*) FROM gateway_jobs WHERE queue = $1 AND state = '{state}'"
        f"{' AND ended IS NOT NULL' * (state in ('done', 'cancelled', 'dead'))}) AS {state}"
        for state in ("delayed", "ready", "running", "done", "cancelled", "dead")
    )
}, coalesce((SELECT greatest(0, {NOW} - due) FROM gateway_jobs
    WHERE queue = $1 AND state = 'ready' ORDER BY priority DESC, due, seq LIMIT 1), 0) AS behind
"""  # noqa: S608 - ours

ORDERS = {
    "ready": "priority DESC, due, seq",
    "delayed": "due, seq",
    "running": "lease, seq",
    "done": "ended DESC, seq DESC",
    "cancelled": "ended DESC, seq DESC",
    "dead": "ended DESC, seq DESC",
}


def page_of(state: str) -> str:
    return (
        f"SELECT {FIELDS} FROM gateway_jobs WHERE queue = $1 AND state = '{state}'"  # noqa: S608 - State's
        f"{' AND ended IS NOT NULL' * ORDERS[state].startswith('ended')}"
        f" ORDER BY {ORDERS[state]} LIMIT $2 OFFSET $3"
    )
