"""The whole system on one machine with simulated ponds: for a first look, for tests and for machines that measure."""
