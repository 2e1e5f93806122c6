"""Run every benchmark: `make bench`."""

from __future__ import annotations

from benchmarks import engine, first_light, snapshot

if __name__ == "__main__":
    engine.main()
    first_light.main()
    snapshot.main()
