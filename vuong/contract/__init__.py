"""What passes between node, gateway and cloud: topics, node messages, batches. Gateway and cloud share this and nothing else."""
