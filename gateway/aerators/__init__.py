"""Switching aerators through relays, behind an interlock; off unless asked for. Advice is in the alarms, always."""
