"""Run every benchmark: `make bench`."""

from __future__ import annotations

from benchmarks import cloud, edits, engine, firewall, first_light, host, plan, snapshot

if __name__ == "__main__":
    plan.main()
    edits.main()
    cloud.main()
    engine.main()
    firewall.main()
    first_light.main()
    host.main()
    snapshot.main()
