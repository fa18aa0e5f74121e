"""Second on the board: say over the cable how the node finds itself, then be the node."""

import sys

import self_test

self_test.report()
del sys.modules["self_test"], self_test  # its memory is needed

from firmware import main  # noqa: E402

main.run()
