"""First on the board: put the slot that is to run, ``/a`` or ``/b``, on the path. ``/recovery`` is never updated, so that this always works."""

import sys

sys.path.insert(0, "/recovery")
from firmware.slots import choose_folder

_folder = choose_folder("")
for _name in list(sys.modules):
    if _name.split(".")[0] == "firmware":
        del sys.modules[_name]  # the slot brings its own
sys.path[0] = "/" + _folder
