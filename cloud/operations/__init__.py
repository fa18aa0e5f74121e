"""Keeping the cloud running: health, metrics, logs, traces, background jobs, back-ups, the doctor."""
