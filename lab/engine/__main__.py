"""The command line: Pulumi's verbs, flags and exit codes.

`python -m lab.engine <verb>`; `bin/pulumi` is the same. Only the verb that is called for is loaded.
"""

from __future__ import annotations

import gc
import sys

from lab.engine.cli import main

if __name__ == "__main__":
    gc.set_threshold(50_000, 20, 20)  # rows of a state stay in use; see the launcher's YOUNG
    sys.exit(main(sys.argv[1:]))
