"""Alarms as gateways raised them, and the states of nodes."""
