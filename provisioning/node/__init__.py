"""``vuong node …``: one module a command, each with ``run(arguments, session)``."""
