"""The board, as far as its modules are C code there."""
