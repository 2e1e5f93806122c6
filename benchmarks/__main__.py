"""Run every benchmark: `make bench`."""

from __future__ import annotations

from benchmarks import engine, firewall, first_light

if __name__ == "__main__":
    engine.main()
    firewall.main()
    first_light.main()
