"""What is fitted or simulated: the pond process model and its probes."""
