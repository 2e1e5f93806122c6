"""Run every benchmark: `make bench`."""

from __future__ import annotations

from benchmarks import engine, first_light, plan

if __name__ == "__main__":
    plan.main()
    engine.main()
    first_light.main()
