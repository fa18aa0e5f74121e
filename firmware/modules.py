"""Modules for a while: on MicroPython their byte code lies in the heap, so what has done its work is dropped and loaded again when it is needed."""

import gc
import sys

_DROPS = sys.implementation.name == "micropython"


def drop(*names: str) -> None:
    """Forget modules, and those below them; elsewhere than on MicroPython, where memory is no matter, do nothing."""
    if not _DROPS:
        return
    for module in list(sys.modules):
        if any(module == name or module.startswith(name + ".") for name in names):
            parent, _, last = module.rpartition(".")
            if parent in sys.modules and hasattr(sys.modules[parent], last):
                delattr(sys.modules[parent], last)
            del sys.modules[module]
    gc.collect()
