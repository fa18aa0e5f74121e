"""First on the board: put the program that is to run on the path. ``/recovery`` is never updated, so that this always works."""

import sys

sys.path.insert(0, "/recovery")
from firmware.program import start

try:
    start("")
except OSError as error:
    print('VUONG {"parts": {"program": "neither half of the flash holds one: ' + str(error) + '"}}')
for _name in list(sys.modules):
    if _name.split(".")[0] == "firmware":
        del sys.modules[_name]  # the program brings its own
