"""Run every benchmark: `make bench`."""

from __future__ import annotations

from benchmarks import cloud, engine, first_light, snapshot

if __name__ == "__main__":
    cloud.main()
    engine.main()
    first_light.main()
    snapshot.main()
