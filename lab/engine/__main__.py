"""The command line: Pulumi's verbs, flags and exit codes.

`python -m lab.engine <verb>`; `bin/pulumi` is the same. Only the verb that is called for is loaded.
"""

from __future__ import annotations

import sys

from lab.engine.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
