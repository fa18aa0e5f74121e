"""What a server needs around the cloud: a service with a user of its own, and a proxy that speaks TLS."""
