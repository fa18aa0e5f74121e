"""Co-operatives, ponds, and the nodes and gateways that stand there."""
