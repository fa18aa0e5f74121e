"""``vuong fleet …``: the co-op's CA, its gateways' bundles, many nodes at once."""
