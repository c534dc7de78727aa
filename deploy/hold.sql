-- After a restore to an earlier moment, before anything is sent: every run stops until a person has looked at it. What the
-- old database sent after that moment is QUEUED again in this one.
UPDATE send_runs
SET status = 'STOPPED',
    status_reason = 'The database was restored to an earlier moment.',
    next_step = 'Find out who has got the invite since then. Cancel the run if in doubt; resume it if nobody has.'
FROM run_counters
WHERE run_counters.run_id = send_runs.id AND run_counters.completed_at IS NULL AND send_runs.status = 'RUNNING';
