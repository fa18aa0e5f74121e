"""People and machines that may come in: users, roles, sessions, gateway tokens."""
