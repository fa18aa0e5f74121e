"""``vuong gateway setup`` and ``enrol``: what is done on the gateway itself."""
