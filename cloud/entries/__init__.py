"""What people say of ponds and alarms: acknowledgements, hand readings, calibrations; exchanged with gateways until both have them all."""
