"""What is worked out of the readings beside the readings: saturation, rates, daily changes, ammonia, risk of white-spot disease."""
