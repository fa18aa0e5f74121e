"""Tables of the ladders: part of the gateway's database (`gateway.store.schema`)."""

from __future__ import annotations

from typing import Final

TABLES: Final = """
CREATE TABLE IF NOT EXISTS escalations (  -- when an alarm's ladder began; a new annunciation begins anew
    alarm TEXT NOT NULL, annunciated INTEGER NOT NULL, began INTEGER NOT NULL, PRIMARY KEY (alarm, annunciated)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
    alarm TEXT NOT NULL, annunciated INTEGER NOT NULL, step INTEGER NOT NULL, contact TEXT NOT NULL, via TEXT NOT NULL,
    due INTEGER NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, next INTEGER NOT NULL,
    PRIMARY KEY (alarm, annunciated, step, contact, via)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS alarms_open ON alarms (raised) WHERE state = 'unacknowledged';
CREATE INDEX IF NOT EXISTS deliveries_waiting ON deliveries (next) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS delivery_attempts (
    position INTEGER PRIMARY KEY, time INTEGER NOT NULL, alarm TEXT NOT NULL, step INTEGER NOT NULL, contact TEXT NOT NULL,
    via TEXT NOT NULL, outcome TEXT NOT NULL
);
"""
