"""The gateway's one SQLite file: samples, ledger, alarms, model state, outbox."""
