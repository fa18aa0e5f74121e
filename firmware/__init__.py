"""MicroPython node: probes, store-and-forward, MQTT."""
