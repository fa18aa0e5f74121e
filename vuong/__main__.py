"""``python -m vuong``: the same as the ``vuong`` command."""

import sys

from vuong.command import main

sys.exit(main())
