"""Second on the board: say over the cable how the node finds itself, then be the node."""

import self_test

self_test.report()
try:
    from firmware import main
except ImportError:
    print("this image has no node program; file operations and commands over the cable work")
else:
    main.run()
