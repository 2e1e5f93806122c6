"""Machines that come and go beside those that visitors use: an origin, a second shield, a server that reboots.

```text
  falkenstein ─┬─ press      visited all the time
               └─ drop       comes and goes
  nuremberg   ─── press      comes and goes; in the second deployment it is there from the beginning
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.client import until
from lab.faults.model import Outage
from tests.changes.load import visited
from tests.changes.standing import SETUP, asked, laden_file
from tests.delivery.standing import stand
from tests.first_light.deployed import PAGE, farshore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.delivery.standing import Live

pytestmark = [pytest.mark.lab, pytest.mark.long]  # machines are born and boot
SSH = ["192.0.2.20/32"]
NUREMBERG = {"slot": 1, "account": "edge", "location": "nbg1", "ssh": SSH}
DROP = {
    "slot": 3,
    "account": "vault",
    "location": "hel1",
    "shields": ["falkenstein"],
    "services": {"web": {"port": 8080}},
    "setup": SETUP,
}
DROP_DOMAIN = {"origin": "drop", "service": "web", "tls": "none"}
BACK_WITHIN_S = 90.0


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One origin behind two shields."""
    path = laden_file(tmp_path_factory.mktemp("paired"), shields={"nuremberg": NUREMBERG})
    path.write_text(path.read_text(encoding="utf-8").replace("- falkenstein\n", "- falkenstein\n      - nuremberg\n"))
    yield from stand("lp", path)


def test_an_origin_comes_and_goes_beside_another(laden: Live, tmp_path: Path) -> None:
    """Its shield is told, the other origin is not, and visitors of that one lose nothing.

    Its public addresses are kept: taken out at once it is refused, and nothing happens; released first, which no host
    is told of, it goes.
    """
    servers = laden.servers()
    with visited(laden, tmp_path) as load:
        kept, released = ({**DROP, "addresses": word} for word in ("keep", "release"))
        said = laden.changed(origins__drop=kept, **{"domains__drop.example.com": DROP_DOMAIN})
        assert asked(said) == {"falkenstein", "drop"}
        assert laden.page("http://drop.example.com/")
        load.more()
        laden.change(origins__drop=None, **{"domains__drop.example.com": None})
        refused = laden.up()
        assert refused.returncode != 0
        assert "farshore:origins.drop: taken out, allowed: a host, as long as" in refused.stdout + refused.stderr
        assert laden.page("http://drop.example.com/")
        assert asked(laden.changed(origins__drop=released, **{"domains__drop.example.com": DROP_DOMAIN})) == set()
        assert asked(laden.changed(origins__drop=None, **{"domains__drop.example.com": None})) == {"falkenstein"}
        load.more()
    assert load.report.failures == (), str(load.report)
    assert load.report.broken == {"stream": 0, "socket": 0}
    assert laden.servers() == servers


def test_a_second_shield_comes_and_goes(laden: Live, tmp_path: Path) -> None:
    """Visitors of the first lose nothing; whoever comes by the second as soon as `up` has ended loses nothing either."""
    servers = laden.servers()
    with visited(laden, tmp_path / "first") as first:
        said = laden.changed(shields__nuremberg=NUREMBERG, origins__press__shields=["falkenstein", "nuremberg"])
        assert asked(said) == {"nuremberg", "press"}
        with visited(laden, tmp_path / "second", shield="nuremberg", share=0.2) as second:
            second.more()
        first.more()
        assert asked(laden.changed(shields__nuremberg=None, origins__press__shields=["falkenstein"])) == {"press"}
        first.more()
    assert second.report.failures == (), str(second.report)
    assert first.report.failures == (), str(first.report)
    assert first.report.broken == {"stream": 0, "socket": 0}
    assert laden.servers() == servers


def test_the_reboot_of_one_shield_is_nothing_to_visitors_of_the_other(paired: Live, tmp_path: Path) -> None:
    """Its own visitors are lost until it is back; then it serves again by itself, and nobody else has noticed."""
    with (
        visited(paired, tmp_path / "first", share=0.5) as first,
        visited(paired, tmp_path / "second", shield="nuremberg", share=0.5) as second,
    ):
        first.mark("reboot")
        reboot(paired, "falkenstein")
        first.mark("back")
        first.more()
        second.more()
    assert first.between("warm", "reboot").failures == (), str(first.report)
    assert first.between("reboot", "back").failures, str(first.report)
    assert first.between("back", "end").failures == (), str(first.between("back", "end"))
    assert second.report.failures == (), str(second.report)
    assert second.report.broken == {"stream": 0, "socket": 0}


def test_the_outage_of_one_provider_is_nothing_to_visitors_of_the_other_shield(paired: Live, tmp_path: Path) -> None:
    """A whole location is off the internet for a while: its tunnel comes back by itself, and nobody else has noticed."""
    with (
        visited(paired, tmp_path / "first", share=0.5) as first,
        visited(paired, tmp_path / "second", shield="nuremberg", share=0.5) as second,
    ):
        first.mark("outage")
        with paired.lab.inject(Outage("fsn1")):
            second.more(3000)
        await_page(paired, "falkenstein")
        first.mark("back")
        first.more()
    out = first.between("outage", "back")
    assert out.failures or out.longest_s > 3 * first.between("warm", "outage").longest_s, str(first.report)
    assert first.between("back", "end").failures == (), str(first.between("back", "end"))
    assert second.report.failures == (), str(second.report)
    assert second.report.broken == {"stream": 0, "socket": 0}


def test_an_origin_that_reboots_serves_again_by_itself(paired: Live, tmp_path: Path) -> None:
    """By both of its shields, and what is asked once it is back is answered."""
    with (
        visited(paired, tmp_path / "first", share=0.5) as first,
        visited(paired, tmp_path / "second", shield="nuremberg", share=0.5) as second,
    ):
        reboot(paired, "press")
        for load in (first, second):
            load.mark("back")
            load.more()
    for load in (first, second):
        assert load.between("warm", "back").failures, str(load.report)
        assert load.between("back", "end").failures == (), str(load.between("back", "end"))


@pytest.mark.parametrize(
    "words", [("replace", "nuremberg"), ("resize", "nuremberg", "cx33")], ids=["replace", "resize"]
)
def test_another_server_or_size_for_one_shield_is_nothing_to_visitors_of_the_other(
    paired: Live, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """When the command ends, its tunnel and its page are there again; the other's visitors have not noticed."""
    before = paired.servers()
    with visited(paired, tmp_path / "first") as first:
        done = farshore(*words, "--lab", paired.name, "--config-file", str(paired.file), "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        await_page(paired, "nuremberg")
        with visited(paired, tmp_path / "second", shield="nuremberg", share=0.2) as second:
            second.more()
        first.more()
    assert first.report.failures == (), str(first.report)
    assert first.report.broken == {"stream": 0, "socket": 0}
    assert second.report.failures == (), str(second.report)
    assert {name for name, number in paired.servers().items() if number != before[name]} == (
        {"nuremberg"} if words[0] == "replace" else set()
    )


def reboot(live: Live, host: str) -> None:
    """Reboot a host cleanly, and wait until visitors of every shield have the page again."""
    assert farshore("lab", "reboot", "--name", live.name, host).returncode == 0
    for shield in ("falkenstein", "nuremberg"):
        await_page(live, shield)


def await_page(live: Live, shield: str) -> None:
    """Wait until visitors of a shield have both pages: each service has health checks of its own."""
    address = live.host(shield).ipv4
    for url, port in (("http://www.example.com/", 80), ("https://secure.example.com/", 443)):
        way = f"{url.split('/')[2]}:{port}:{address}"

        def page(url: str = url, way: str = way) -> bool | None:
            return PAGE in live.fetch(url, "--resolve", way) or None

        until(page, BACK_WITHIN_S, f"{url} by {shield}")
