"""What any sound stack file becomes is read by the programs that it is for, on a host of each release."""

from __future__ import annotations

import base64
import io
import tarfile
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.plan.generated import Config, sound_configs
from tests.plan.test_generated import planned, rendered

if TYPE_CHECKING:
    from tests.first_light.deployed import Deployed

pytestmark = pytest.mark.lab

WHERE: Final = "/run/generated"
KEPT: Final = (".nft", ".conf", "haproxy.cfg", ".service", ".timer")
# Each file is read by its own parser; what one of them refuses is told with its path and its words.
SCRIPT: Final = f"""
set -u
rm -rf {WHERE} && mkdir -p {WHERE} && mount -t tmpfs -o size=256m none {WHERE} || exit 1 # /run is small on a small machine
base64 -d | tar -xz --no-same-owner -C {WHERE} || exit 1
printf '%s\\n' '192.0.2.1 vpn.example.com' '192.0.2.2 o.example.com' >/run/generated-hosts
mount --bind /run/generated-hosts /etc/hosts # wg(8) waits minutes for a name that nobody knows
cd {WHERE}
mkdir -p /run/sshd # Ubuntu's sshd, started by a socket, has it from its first connection on
ip link add probe type wireguard 2>/dev/null || wireguard-go probe >/dev/null 2>&1
count=0
refused() {{ echo "$1: $2" >&2; failed=1; }}
failed=0
for file in $(find . -type f | sort); do
  count=$((count + 1))
  case $file in
    *.nft) said=$(nft -c -f "$file" 2>&1) || refused "$file" "$said";;
    */etc/wireguard/*.conf)
      said=$(wg-quick strip "$file" 2>&1 >stripped && wg setconf probe stripped 2>&1) || refused "$file" "$said";;
    */haproxy.cfg)
      said=$(haproxy -c -f "$file" 2>&1) || refused "$file" "$said"
      case $said in *WARNING*) refused "$file" "$said";; esac;;
    */sshd_config.d/*.conf) said=$(/usr/sbin/sshd -t -f "$file" 2>&1) || refused "$file" "$said";;
  esac
done
ip link del probe
cd / && umount {WHERE} && rmdir {WHERE}
echo "$count files"
exit $failed
"""


def files_of(examples: int) -> dict[str, str]:
    """Return what so many stack files become, by the number of the example, host and path."""
    found: dict[str, str] = {}
    configs: list[Config] = []

    @settings(
        max_examples=examples, deadline=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck), database=None,
    )  # fmt: skip
    @given(sound_configs())
    def collect(config: Config) -> None:
        configs.append(config)

    collect()
    for number, config in enumerate(configs):
        texts = rendered(planned(config))
        found |= {f"{number}/{path}": text for path, text in texts.items() if path.endswith(KEPT)}
    return found


def read(deployed: Deployed, files: dict[str, str]) -> tuple[int, str, str]:
    """Return code, output and complaints of the parsers of one host, in a network of its own."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            body = content.encode()
            entry.size, entry.mode = len(body), 0o600
            archive.addfile(entry, io.BytesIO(body))
    given = base64.b64encode(packed.getvalue()).decode()
    script = ["unshare", "--net", "--mount", "sh", "-c", SCRIPT]
    done = deployed.machine("falkenstein").run(script, given=given, within_s=600)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.long_on_vm
def test_every_parser_takes_any_stack_file(either: Deployed) -> None:
    """A few stack files in every run."""
    files = files_of(6)
    assert read(either, files) == (0, f"{len(files)} files\n", "")


@pytest.mark.long
def test_every_parser_takes_many_stack_files(either: Deployed) -> None:
    """The same with two hundred."""
    files = files_of(200)
    assert read(either, files) == (0, f"{len(files)} files\n", "")


@pytest.mark.long_on_vm
def test_every_parser_says_no(either: Deployed) -> None:
    """The twin: a description that got out of its comment is refused, and named."""
    broken = {
        "0/a/etc/farshore/farshore.nft": "table inet x { chain y { accept drop } }\n",
        "0/a/etc/wireguard/fs0.conf": "[Interface]\nListenPort = 1\n# press:\nfront door\n[Peer]\nPublicKey = c2hvcnQ=\n",
        "0/a/etc/haproxy/haproxy.cfg": "frontend x\n  bind nowhere:x\n",
        "0/a/etc/ssh/sshd_config.d/10-farshore.conf": "PasswordAuthentication perhaps\n",
    }
    code, said, complaints = read(either, broken)
    assert (code, said) == (1, "4 files\n")
    for path in broken:
        assert f"./{path}: " in complaints
