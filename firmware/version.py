"""The firmware's version: three numbers; an update must be above it."""

VERSION = "0.1.0"
