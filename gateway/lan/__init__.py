"""What a farmer's phone finds on the pond's own network: API, live events, one page; in a process of its own beside the ingest."""
