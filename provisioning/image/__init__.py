"""The node's file system as an image of bytes."""
