"""Raspberry Pi gateway: ingest, quality control, anomaly detection, alarms, outbox. It never needs the internet."""
