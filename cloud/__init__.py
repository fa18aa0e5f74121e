"""The cloud: one folder a capability, each with the same file names; a modular monolith on FastAPI."""
