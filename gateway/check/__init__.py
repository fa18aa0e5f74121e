"""``vuong gateway check``: what is wrong with this gateway, in plain words, and what to do about it."""
