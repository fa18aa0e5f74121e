"""Second on the board: say over the cable how the node finds itself, then be the node.

A program that cannot even begin is started again: on trial, it is taken back at its third start.
"""

import sys

try:
    import self_test

    self_test.report()
    del sys.modules["self_test"], self_test  # its memory is needed

    from firmware import main

    main.run()
except Exception as error:  # noqa: BLE001 (whatever it was, there is no other remedy)
    sys.print_exception(error)
    import time

    import machine

    time.sleep(3)  # long enough for a technician's Ctrl-C
    machine.reset()
