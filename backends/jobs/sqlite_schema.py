"""The tables of jobs in SQLite, and its statements."""

COLUMNS = (
    "id, queue, name, state, payload, priority, uniq, attempt, attempts, created, due, started,"
    " ended, progress, note, error, result, worker, cancelling"
)

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    payload BLOB NOT NULL,
    priority INTEGER NOT NULL,
    uniq TEXT,
    attempt INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL,
    rules BLOB NOT NULL,
    fence INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    due REAL NOT NULL,
    lease REAL,
    started REAL,
    ended REAL,
    progress REAL NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT '',
    error TEXT,
    result BLOB,
    worker TEXT,
    cancelling INTEGER NOT NULL DEFAULT 0,
    UNIQUE (queue, id)
);
CREATE INDEX IF NOT EXISTS jobs_ready ON jobs (queue, priority DESC, due, seq)
    WHERE state = 'ready';
CREATE INDEX IF NOT EXISTS jobs_delayed ON jobs (queue, due) WHERE state = 'delayed';
CREATE INDEX IF NOT EXISTS jobs_running ON jobs (queue, lease) WHERE state = 'running';
CREATE INDEX IF NOT EXISTS jobs_ended ON jobs (queue, state, ended)
    WHERE ended IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS jobs_unique ON jobs (queue, uniq)
    WHERE uniq IS NOT NULL AND ended IS NULL;
CREATE TABLE IF NOT EXISTS queues (queue TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fires (
    queue TEXT NOT NULL, schedule TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (queue, schedule)
) WITHOUT ROWID
"""

JOB = f"SELECT {COLUMNS} FROM jobs WHERE queue = ? AND id = ?"  # noqa: S608 - ours

INSERT = """
INSERT INTO jobs (queue, id, name, state, payload, priority, uniq, attempts, rules, created, due)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""

STANDING_FOR = """
SELECT id FROM jobs WHERE queue = ?1 AND id = ?2 UNION ALL
SELECT id FROM jobs
WHERE queue = ?1 AND uniq = ?3 AND ended IS NULL LIMIT 1
"""

WAITING = """
SELECT count(*) FROM (SELECT 1 FROM jobs WHERE queue = ?1 AND state = 'ready' LIMIT ?2)
UNION ALL
SELECT count(*) FROM (SELECT 1 FROM jobs WHERE queue = ?1 AND state = 'delayed' LIMIT ?2)
"""

PROMOTE = """
UPDATE jobs SET state = 'ready' WHERE state = 'delayed' AND seq IN (
    SELECT seq FROM jobs WHERE queue = ? AND state = 'delayed' AND due <= ? ORDER BY due LIMIT 1000)
"""

RESCUE = """
UPDATE jobs SET
    state = CASE WHEN cancelling THEN 'cancelled' WHEN attempt >= attempts THEN 'dead'
            ELSE 'ready' END,
    ended = CASE WHEN cancelling OR attempt >= attempts THEN ?2 END,
    error = ?3, lease = NULL, worker = NULL
WHERE state = 'running' AND seq IN (
    SELECT seq FROM jobs WHERE queue = ?1 AND state = 'running' AND lease <= ?2 LIMIT 1000)
"""

CLAIM = """
UPDATE jobs SET state = 'running', fence = fence + 1, attempt = attempt + 1, lease = ?3,
    worker = ?4, started = ?5, progress = 0, note = ''
WHERE state = 'ready' AND seq IN (
    SELECT seq FROM jobs WHERE queue = ?1 AND state = 'ready'
    ORDER BY priority DESC, due, seq LIMIT ?2)
RETURNING priority, due, seq, id, fence, name, payload, attempt, attempts, rules
"""

BEAT = """
UPDATE jobs SET lease = ?, progress = coalesce(?, progress), note = coalesce(?, note)
WHERE queue = ? AND id = ? AND fence = ? AND state = 'running' RETURNING cancelling
"""

FINISH = """
UPDATE jobs SET
    state = CASE
        WHEN ?4 = 'done' THEN 'done'
        WHEN ?4 = 'cancelled' THEN 'cancelled'
        WHEN ?4 = 'dead' THEN 'dead'
        WHEN cancelling THEN 'cancelled'
        WHEN ?4 = 'release' THEN 'ready'
        WHEN attempt >= attempts THEN 'dead'
        WHEN ?5 > ?6 THEN 'delayed'
        ELSE 'ready' END,
    attempt = attempt - (?4 = 'release'),
    due = CASE WHEN ?4 = 'retry' THEN ?5 ELSE due END,
    ended = CASE WHEN ?4 IN ('done', 'cancelled', 'dead') OR cancelling
        OR (?4 = 'retry' AND attempt >= attempts) THEN ?6 END,
    progress = CASE WHEN ?4 = 'done' THEN 1 ELSE progress END,
    result = ?7, error = CASE WHEN ?4 = 'release' THEN error ELSE ?8 END,
    lease = NULL, worker = CASE WHEN ?4 IN ('done', 'dead') THEN worker END
WHERE queue = ?1 AND id = ?2 AND fence = ?3 AND state = 'running'
"""

CANCEL = """
UPDATE jobs SET
    cancelling = 1,
    ended = CASE WHEN state = 'running' THEN NULL ELSE ?3 END,
    state = CASE WHEN state = 'running' THEN 'running' ELSE 'cancelled' END
WHERE queue = ?1 AND id = ?2 AND state IN ('delayed', 'ready', 'running')
"""

REPLAY = """
UPDATE OR IGNORE jobs SET state = 'ready', attempt = 0, due = ?, ended = NULL, cancelling = 0
WHERE queue = ? AND id = ? AND state = 'dead'
"""

OLDEST_DEAD = """
SELECT id FROM jobs WHERE queue = ? AND state = 'dead' AND ended IS NOT NULL
ORDER BY ended, seq LIMIT 1000
"""

NEXT = """
SELECT min(at) FROM (
    SELECT min(due) AS at FROM jobs WHERE queue = ?1 AND state = 'delayed'
    UNION ALL SELECT min(lease) FROM jobs WHERE queue = ?1 AND state = 'running')
"""

TO_DO = """
SELECT EXISTS (SELECT 1 FROM jobs WHERE queue = ?1 AND state = 'ready')
    OR EXISTS (SELECT 1 FROM jobs WHERE queue = ?1 AND state = 'delayed' AND due <= ?2)
    OR EXISTS (SELECT 1 FROM jobs WHERE queue = ?1 AND state = 'running' AND lease <= ?2)
"""

FORGET = """
DELETE FROM jobs WHERE seq IN (
    SELECT seq FROM jobs WHERE queue = ? AND state = ? AND ended IS NOT NULL
    ORDER BY ended DESC, seq DESC LIMIT 1000 OFFSET ?)
"""

FORGET_OLD = """
DELETE FROM jobs WHERE seq IN (
    SELECT seq FROM jobs WHERE queue = ? AND state = ? AND ended < ? ORDER BY ended LIMIT 1000)
"""

FIRE = """
INSERT INTO fires (queue, schedule, at) VALUES (?, ?, ?)
ON CONFLICT (queue, schedule) DO UPDATE SET at = excluded.at WHERE at < excluded.at
"""

COUNTS = " UNION ALL ".join(
    f"SELECT '{state}', count(*) FROM jobs WHERE queue = ?1 AND state = '{state}'"  # noqa: S608 - ours
    f"{' AND ended IS NOT NULL' * (state in ('done', 'cancelled', 'dead'))}"
    for state in ("delayed", "ready", "running", "done", "cancelled", "dead")
)

FIRST_READY = """
SELECT due FROM jobs WHERE queue = ? AND state = 'ready' ORDER BY priority DESC, due, seq LIMIT 1
"""

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
        f"SELECT {COLUMNS} FROM jobs WHERE queue = ? AND state = '{state}'"  # noqa: S608 - State's
        f"{' AND ended IS NOT NULL' * ORDERS[state].startswith('ended')}"
        f" ORDER BY {ORDERS[state]} LIMIT ? OFFSET ?"
    )
