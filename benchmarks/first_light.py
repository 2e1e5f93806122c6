"""From nothing to a page: how long it takes, beside what it is made of, and how much memory it needs.

Everything is measured in one run on one machine; the ratios say more than the seconds. Run as root on a machine where
`./setup` was run once: system packages are not measured, the virtualenv, the image and all the rest are.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lab.client import Lab
from lab.machines.image import ensure_image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).parents[1]
NAME = "bench"


def main() -> None:
    """Measure, and print a table."""
    with tempfile.TemporaryDirectory(prefix="farshore-bench-") as scratch:
        image_s = timed(lambda: ensure_image("fast", cache=Path(scratch) / "image", say=lambda _: None))
        bare_s, setup_s = bare_machine(Path(scratch))
    row("image build alone", image_s, "")
    row("virtualenv alone, fresh clone", setup_s, "")
    row("bare machine to first page, fresh clone", bare_s, f"{bare_s / image_s:.2f} x the image build (asked: 2.5)")
    try:
        first_s = timed(lambda: farshore("up"))
        row("`make up` with the image there", first_s, f"{first_s / image_s:.2f} x the image build")
        again_s = timed(lambda: farshore("up"))
        row("`make up` again, nothing to change", again_s, "(asked: 20 s on 2 quiet cores)")
        memory_mib = lab_memory_mib(Lab.open(ROOT / ".lab" / NAME))
        print(f"{'memory of the whole lab (PSS)':<44} {memory_mib:>7.0f} MiB  (asked: 1024)")
        row("pair of machines, power on to first page", power_on_s(), "(asked: 12 s on 2 quiet cores)")
    finally:
        farshore("down")


def row(what: str, seconds: float, beside: str) -> None:
    """Print one line."""
    print(f"{what:<44} {seconds:>7.1f} s    {beside}".rstrip(), flush=True)


def timed(do: Callable[[], object]) -> float:
    """Return the seconds that something took."""
    begun = time.monotonic()
    do()
    return time.monotonic() - begun


def farshore(verb: str, *more: str, root: Path = ROOT, environment: dict[str, str] | None = None) -> None:
    """Run the command, quietly."""
    quietly([str(root / "bin/farshore"), "lab", verb, "--name", NAME, *more], root, environment)


def quietly(command: Sequence[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    """Run a command; its output is shown only if it fails."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")


def bare_machine(scratch: Path) -> tuple[float, float]:
    """Return the seconds from a fresh clone to the first page, and of those the virtualenv's."""
    clone = scratch / "clone"
    quietly(["git", "clone", "--quiet", str(ROOT), str(clone)], ROOT)
    environment = os.environ | {"XDG_CACHE_HOME": str(scratch / "cache")}
    setup_s = timed(lambda: quietly(["./setup"], clone, environment))
    try:
        up_s = timed(lambda: farshore("up", root=clone, environment=environment))
    finally:
        farshore("down", root=clone, environment=environment)
    shutil.rmtree(clone)
    return setup_s + up_s, setup_s


def power_on_s() -> float:
    """Return the seconds from switching both machines on to the page, with disks that were born before."""
    from hcloud import Client

    lab = Lab.open(ROOT / ".lab" / NAME)
    visitor = lab.place("visitor")
    ask = ["curl", "-sS", "--max-time", "1", "-o", "/dev/null", "-w", "%{http_code}", "http://www.example.com/"]
    servers = [
        server
        for token in lab.tokens.values()
        for server in Client(token=token, api_endpoint=lab.endpoint, poll_interval=0.05).servers.get_all()
    ]
    for server in servers:
        server.power_off().wait_until_finished()
    while any(machine["leader"] for machine in lab.world()["machines"]):
        time.sleep(0.1)
    begun = time.monotonic()
    for server in servers:
        server.power_on().wait_until_finished()
    while visitor.run(ask).stdout != "200":
        if time.monotonic() - begun > 120:
            raise SystemExit("no page within 120 s of power on")
        time.sleep(0.05)
    return time.monotonic() - begun


def lab_memory_mib(lab: Lab) -> float:
    """Return the memory of the lab's process and of everything below it: proportional set sizes, added."""
    children: dict[int, list[int]] = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(process.name))
    found, todo = set(), [lab.pid]
    while todo:
        pid = todo.pop()
        found.add(pid)
        todo += children.get(pid, [])
    return sum(pss_kib(pid) for pid in found) / 1024


def pss_kib(pid: int) -> int:
    """Return a process's proportional set size; 0 when it has ended."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main()
