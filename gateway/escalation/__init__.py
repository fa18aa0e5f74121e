"""Who is called about an alarm, how, and when nobody answers who is next."""
