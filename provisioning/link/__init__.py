"""To a living node: through the gateway's broker (`gateway`) or over the cable (`cable`); both answer the same commands (`line`)."""
