"""The board at the end of the cable: port, boot loader, self-test, label."""
