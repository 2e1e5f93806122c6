"""What a change costs on a host that runs: nothing to do, and one peer more among 1, 100 and 1,000, beside a stream.

A pair is deployed to a lab of its own. The shield is told bundles with further peers by its own program, which is timed
where it runs, from its start to its end: it reads the bundle, looks at all that runs, stages, checks, arms the
rollback, switches. Baselines are an empty Python there, and the same change among the fewest peers, in turns with the
others. Meanwhile a stream of datagrams of full size goes through the tunnel to the origin, and each has to come back.
Needs root.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
import statistics
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lab.client import Lab, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.client import MachineSpot

ROOT: Final = Path(__file__).parents[1]
NAME: Final = "benchhost"
HOST: Final = "/usr/local/sbin/farshore-host"
CONF: Final = "/etc/wireguard/fs0.conf"
COUNTS: Final = (1, 100, 1000)
ROUNDS: Final = 5
READ: Final = """
import json
record = json.load(open("/var/lib/farshore/host/confirmed.json"))
for file in record["files"]:
    file["content"] = open(file["path"]).read()
print(json.dumps(record))
"""
# Times what it runs by the monotonic clock of the host. What that reads is a file: Python would write a pipe in pieces
# of 512 bytes, which is a thousand waits of both for the largest bundle.
TIME: Final = """
import json, subprocess, sys, tempfile, time
words, given = json.load(sys.stdin)
with tempfile.TemporaryFile("w+") as file:
    file.write(given)
    file.seek(0)
    begun = time.monotonic()
    done = subprocess.run(words, stdin=file, capture_output=True, text=True)
print(json.dumps([time.monotonic() - begun, done.returncode, done.stdout, done.stderr]))
"""
DATAGRAM_BYTES: Final = 1392  # of 1420 with its headers
EVERY_S: Final = 0.01
STREAMS_AFTER: Final = 10  # answers
ADDRESS: Final = "10.9.0.1"
# Until somebody says stop, and then to its end: it counts what is on its way.
STREAM: Final = """
rm -f /run/bench-stop
ping -n -i "$1" -W 5 -s "$2" 10.0.0.2 & pid=$!
while ! test -e /run/bench-stop; do sleep 0.1; done
kill -INT $pid; wait $pid
"""


def main() -> None:
    """Measure, and print a table."""
    farshore("up")
    try:
        lab = Lab.open(ROOT / ".lab" / NAME)
        shield = lab.machine(next(one["name"] for one in lab.world()["machines"] if "falkenstein" in one["name"]))
        told = read(shield)
        empty_s = median([timed(shield, ["python3", "-I", "-c", "pass"])[0] for _ in range(ROUNDS)])
        nothing_s = median([apply(shield, told, "unchanged") for _ in range(ROUNDS)])
        row("apply, nothing to do", nothing_s, f"{nothing_s / empty_s:.1f} x `python3 -c pass` there  (asked: 0.5 s)")
        times, losses = {count: list[float]() for count in COUNTS}, dict.fromkeys(COUNTS, (0, 0))
        for number in range(ROUNDS):
            for count in COUNTS:
                change_s, lost, sent = changed(shield, told, count, number)
                times[count].append(change_s)
                losses[count] = (losses[count][0] + lost, losses[count][1] + sent)
        base_s = median(times[COUNTS[0]])
        for count in COUNTS:
            change_s, (lost, sent) = median(times[count]), losses[count]
            ratio = f"{change_s / base_s:.2f} x one among {COUNTS[0]}  (asked: 1.2)"
            size = f"{len(json.dumps(with_peers(told, count, ADDRESS))) / 1000:.0f} kB sent"
            gone = f"{lost} of {sent} datagrams lost  (asked: 0)"
            row(f"apply, a peer among {count} changed", change_s, f"{ratio}; {gone}; {size}")
        back(shield, told)
    finally:
        farshore("down")


def changed(shield: MachineSpot, told: dict[str, Any], count: int, number: int) -> tuple[float, int, int]:
    """Change one peer's address among so many; return the seconds that it took, datagrams lost, and those sent."""
    back(shield, with_peers(told, count, ADDRESS))
    fresh = with_peers(told, count, f"10.9.0.{2 + number}")
    with streaming(shield) as stream:
        change_s = apply(shield, fresh, "applied")
        confirm(shield, fresh)
    lost, sent = stream
    return change_s, lost, sent


def back(shield: MachineSpot, document: dict[str, Any]) -> None:
    """Have the shield be this, unmeasured."""
    apply(shield, document, "")
    confirm(shield, document)


def apply(shield: MachineSpot, document: dict[str, Any], said: str) -> float:
    """Have the shield apply a bundle, and return the seconds that its program took."""
    seconds, out = timed(shield, [HOST, "apply"], json.dumps(document))
    if said not in out:
        raise SystemExit(f"apply: {out!r}, allowed: {said}")
    return seconds


def confirm(shield: MachineSpot, document: dict[str, Any]) -> None:
    """Confirm a bundle."""
    timed(shield, [HOST, "confirm", document["digest"]])


def timed(shield: MachineSpot, words: list[str], given: str = "") -> tuple[float, str]:
    """Run a program on the shield; return the seconds that it took there, and what it said."""
    done = shield.run(["python3", "-c", TIME], given=json.dumps([words, given]), within_s=300, check=True)
    seconds, code, out, err = json.loads(done.stdout)
    if code:
        raise SystemExit(f"{' '.join(words)}: {code}\n{out}{err}")
    return float(seconds), str(out)


@contextmanager
def streaming(shield: MachineSpot) -> Iterator[list[int]]:
    """Send datagrams of full size through the tunnel meanwhile; the list has then how many were lost, of how many."""
    counts: list[int] = []
    with tempfile.TemporaryDirectory(prefix="farshore-bench-") as scratch:
        log = Path(scratch) / "pings"
        pinging = shield.start(["sh", "-c", STREAM, "sh", str(EVERY_S), str(DATAGRAM_BYTES)], output=log)
        until(lambda: len(log.read_text().splitlines()) > STREAMS_AFTER or None, 30, "answers to the stream")
        yield counts
        shield.run(["touch", "/run/bench-stop"], check=True)
        pinging.wait(30)
        answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl=", log.read_text())}
        # What was on its way when it ended, after the last answer, is neither lost nor not.
        counts += [max(answered) - len(answered), max(answered)]


def with_peers(told: dict[str, Any], count: int, address: str) -> dict[str, Any]:
    """Return a bundle with so many peers more, the last of them with this address, sealed."""
    document = copy.deepcopy({key: value for key, value in told.items() if key != "digest"})
    conf = next(file for file in document["files"] if file["path"] == CONF)
    posts, sections = "", ""
    for number in range(count):
        own = address if number == count - 1 else f"10.8.{number >> 8}.{number & 255}"
        path = f"/etc/farshore/keys/fs0-x{number}.psk"
        posts += f"PostUp = wg set %i peer {key(number)} preshared-key {path}\n"
        posts += f"PostUp = ip -4 route replace {own} dev %i src 10.0.0.1\n"
        sections += f"\n# x{number}\n[Peer]\nPublicKey = {key(number)}\nAllowedIPs = {own}/32\n"
        document["files"].append({"path": path, "mode": "0600", "content": f"{key(-number - 1)}\n", "secret": True})
    conf["content"] = conf["content"].replace("PostUp = ip -4", f"{posts}PostUp = ip -4", 1) + sections
    return sealed(document)


def key(number: int) -> str:
    """Return a key of this number, in wg(8)'s base64."""
    return base64.b64encode(hashlib.sha256(str(number).encode()).digest()).decode()


def read(shield: MachineSpot) -> dict[str, Any]:
    """Return what the shield was told, as a bundle."""
    record = json.loads(shield.run(["python3", "-c", READ], check=True).stdout)
    files = [
        {"path": file["path"], "mode": f"{file['mode']:04o}", "content": file["content"], "secret": file["secret"]}
        for file in record["files"]
    ]
    kept = {name: record[name] for name in ("stack", "host", "sequence", "units", "masked", "revoked")}
    return sealed({"schema": 1, **kept, "files": files})


def sealed(document: dict[str, Any]) -> dict[str, Any]:
    """Return a bundle with its digest."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return {**document, "digest": "sha256:" + hashlib.sha256(text.encode()).hexdigest()}


def median(values: list[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def row(what: str, seconds: float, beside: str) -> None:
    """Print one line."""
    print(f"{what:<44} {seconds:>7.2f} s    {beside}".rstrip(), flush=True)


def farshore(verb: str) -> None:
    """Bring the lab up or down, quietly."""
    command = [str(ROOT / "bin/farshore"), "lab", verb, "--name", NAME]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
