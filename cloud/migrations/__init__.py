"""The schema's history; run by `cloud.database.migrate`."""
