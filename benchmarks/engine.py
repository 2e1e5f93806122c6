"""A deployment of a hundred hosts: how long the lab's engine takes, and how much memory, each beside its baseline.

The cloud is the lab's, served without machines, with every setting as the product has it. The baselines: the same
deployment of ten hosts, for a host among a hundred must cost what it costs among ten; the same program under the SDK
alone, whose engine answers at once and does nothing; and a state of the same size written once before and once after
each operation, with nothing else done. Needs no root.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.first_light import pss_kib
from lab.cloud.cloud import Cloud
from lab.cloud.server import make_app, serving
from lab.engine.backend import write_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).parents[1]
TOKENS: Final = ("t" * 64, "u" * 64)
"""Two projects: one holds fifty firewalls at most."""
FEW: Final = 10
MANY: Final = 100
SAMPLE_S: Final = 0.25
PROGRAM: Final = """\
import pulumi, pulumi_hcloud as hcloud

CLOUDS = [
    hcloud.Provider(f"cloud-{{k}}", token=pulumi.Output.secret(token), endpoint="{url}/v1")
    for k, token in enumerate({tokens})
]
for k in range({hosts}):
    AT = pulumi.ResourceOptions(provider=CLOUDS[k % 2])
    ip = dict(auto_delete=False, location="hel1")
    v4, v6 = (hcloud.PrimaryIp(f"h{{k}}-{{kind}}", type=kind, opts=AT, **ip) for kind in ("ipv4", "ipv6"))
    rule = dict(direction="in", protocol="udp", port="51820", source_ips=["0.0.0.0/0"])
    wall = hcloud.Firewall(f"h{{k}}-wall", rules=[rule], opts=AT)
    key = hcloud.SshKey(f"h{{k}}-key", public_key=f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{{k:043d}} h{{k}}", opts=AT)
    secrets = [pulumi.Stash(f"h{{k}}-{{n}}", input=pulumi.Output.secret(f"{{k:032d}}{{n:032d}}")) for n in range(4)]
    server = hcloud.Server(
        f"h{{k}}",
        server_type="cx23",
        image="debian-13",
        location="hel1",
        ssh_keys=[key.id],
        firewall_ids=[wall.id.apply(int)],
        public_nets=[dict(ipv4=v4.id.apply(int), ipv6=v6.id.apply(int))],
        user_data=pulumi.Output.all(*(one.output for one in secrets)).apply("".join),
        opts=AT,
    )
    pulumi.export(f"h{{k}}", server.ipv4_address)
"""


@dataclass(frozen=True)
class Cost:
    """What a command took: wall-clock time, and the most memory of all its processes together (0: not measured)."""

    seconds: float
    peak_mib: float = 0
    name: str = ""


def main() -> None:
    """Measure, and print a table."""
    few = costs_of(FEW)
    many = costs_of(MANY)
    asked = {"up": "asked: 30 s", "up, nothing to change": "asked: 5 s"}
    for what, cost in many.items():
        if what not in few or not cost.peak_mib:
            continue
        base = few[what]
        ratio = (cost.seconds / MANY) / (base.seconds / FEW)
        beside = f"{ratio:.2f} x a host among {FEW}" + (f"  ({asked[what]} on 2 quiet cores)" if what in asked else "")
        print(f"{f'engine, {MANY} hosts: {what}':<44} {cost.seconds:>7.1f} s    {beside}", flush=True)
        beside = f"{cost.peak_mib / base.peak_mib:.2f} x that of {FEW} hosts"
        print(f"{'  its memory at most (PSS)':<44} {cost.peak_mib:>7.0f} MiB  {beside}", flush=True)
    for what, baseline in (
        ("up, nothing to change", many["the SDK alone"]),
        ("up", many["its state written, nothing shared"]),
    ):
        print(
            f"{f'engine, {MANY} hosts: {what}':<44} {many[what].seconds:>7.1f} s    "
            f"{many[what].seconds / baseline.seconds:.2f} x {baseline.name} ({baseline.seconds:.1f} s)",
            flush=True,
        )


def costs_of(hosts: int) -> dict[str, Cost]:
    """Return what each command costs for a deployment of so many hosts."""
    with tempfile.TemporaryDirectory(prefix="farshore-engine-") as scratch, cloud() as url:
        folder = Path(scratch)
        yaml = f"name: bench\nruntime: {{name: python, options: {{virtualenv: {sys.prefix}}}}}\n"
        (folder / "Pulumi.yaml").write_text(yaml, encoding="utf-8")
        (folder / "__main__.py").write_text(PROGRAM.format(url=url, tokens=TOKENS, hosts=hosts), encoding="utf-8")
        run(folder, "stack", "init", "dev")
        up = ("up", "--yes", "--skip-preview", "--non-interactive")
        return {
            "preview": run(folder, "preview", "--non-interactive"),
            "up": run(folder, *up),
            "up, nothing to change": run(folder, *up, "--expect-no-changes"),
            "the SDK alone": sdk_alone(folder),
            "its state written, nothing shared": bare_writes(folder),
            "destroy": run(folder, "destroy", "--yes", "--skip-preview", "--non-interactive"),
        }


def sdk_alone(folder: Path) -> Cost:
    """Return what the program costs under the SDK alone."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "benchmarks.sdk_alone", str(folder)],
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"the SDK alone: {done.returncode}\n{done.stderr[-4000:]}")
    return Cost(float(done.stdout.splitlines()[-1]), name="the SDK alone")


def bare_writes(folder: Path) -> Cost:
    """Return what it costs to write a growing state before and after each of its rows, as the file backend does."""
    text = (folder / "state" / ".pulumi" / "stacks" / "bench" / "dev.json").read_text(encoding="utf-8")
    rows = text.count('"custom":')
    begun = time.monotonic()
    for at in range(2 * rows):
        write_private(folder / "bare.json", text[: len(text) * at // (2 * rows)])
    return Cost(time.monotonic() - begun, name="its state written before and after each row")


@contextmanager
def cloud() -> Iterator[str]:
    """Serve an empty cloud without machines, and yield its address."""
    with serving(
        make_app(
            Cloud({token[0]: [token] for token in TOKENS}), control_token=TOKENS[0][::-1] + "c", log=lambda _: None
        )
    ) as url:
        yield url


def run(folder: Path, *arguments: str) -> Cost:
    """Run the engine on a project and return what that took; what it says is shown only if it fails."""
    begun = time.monotonic()
    with (folder / "said").open("w+", encoding="utf-8") as said:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lab.engine", *arguments],
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        peak_kib = [0]
        sampler = threading.Thread(target=sample, args=(process, peak_kib))
        sampler.start()
        code = process.wait()
        seconds = time.monotonic() - begun
        sampler.join()
        if code:
            said.seek(0)
            raise SystemExit(f"{' '.join(arguments)}: {code}\n{said.read()[-4000:]}")
    return Cost(seconds, peak_kib[0] / 1024)


def environment(folder: Path) -> Mapping[str, str]:
    """Return the engine's environment: a state of its own, and this project's lab."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "HCLOUD_"))}
    return inherited | {
        "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_CONFIG_PASSPHRASE": "bench",
        "PYTHONPATH": str(ROOT),
    }


def sample(process: subprocess.Popen[bytes], peak_kib: list[int]) -> None:
    """Note the most memory that a process and those below it had, while it runs."""
    while process.poll() is None:
        peak_kib[0] = max(peak_kib[0], sum(pss_kib(pid) for pid in tree(process.pid)))
        time.sleep(SAMPLE_S)


def tree(pid: int) -> Iterator[int]:
    """Return a process and all below it."""
    yield pid
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            below = listing.read_text(encoding="ascii").split()
        except OSError:
            continue
        for child in below:
            yield from tree(int(child))


if __name__ == "__main__":
    main()
