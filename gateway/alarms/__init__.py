"""Alarms in the terms of ISA-18.2 (IEC 62682): conditions with deadband, on- and off-delay, and their states."""
