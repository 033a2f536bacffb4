"""``python -m bridge.cli``: the command without its script, as a child process wants it."""

import sys

from bridge.cli.main import main

sys.exit(main())
