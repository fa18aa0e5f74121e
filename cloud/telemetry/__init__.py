"""Readings: taking batches in, keeping them, finding them again."""
