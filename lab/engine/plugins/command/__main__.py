"""Start the command plugin: `python -m lab.engine.plugins.command [<engine host:port>]`."""

from __future__ import annotations

import sys

from lab.engine.plugins.command.plugin import CommandPlugin
from lab.engine.plugins.serve import run

if __name__ == "__main__":
    run(CommandPlugin(), version="1.2.1", arguments=sys.argv[1:])
