"""Start the hcloud plugin: `python -m lab.engine.plugins.hcloud [<engine host:port>]`."""

from __future__ import annotations

import sys

from lab.engine.plugins.hcloud.plugin import HcloudPlugin
from lab.engine.plugins.serve import run

if __name__ == "__main__":
    run(HcloudPlugin(), version="1.43.3", arguments=sys.argv[1:])
