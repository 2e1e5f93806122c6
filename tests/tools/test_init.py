"""`farshore init` writes what the loader takes: six answers, each asked for until it is sound, and no file lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from typer.testing import CliRunner

from plan.tables import hetzner_prices
from tools.__main__ import app
from tools.init_text import Answers, Side, WayIn, stack_text
from tools.workspace import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJzcz2tYvuFq1Ucvx7pgxVW4nTkRsBqPNKTR4lD8XGyI op@example.com"
SIDE = Side(location="fsn1", account="edge", company="Hetzner Online GmbH", home="DE")
ENTER = ""


def init(file: Path, *arguments: str, typed: tuple[str, ...] = ()) -> Result:
    """Run the command, with what a person types line by line."""
    given_ = "".join(f"{line}\n" for line in typed)
    return CliRunner().invoke(app, ["init", "--config-file", str(file), *arguments], input=given_)


def config(file: Path) -> dict[str, Any]:
    """Return the values of a stack file in the project's namespace."""
    said: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))["config"]
    return {key.removeprefix("farshore:"): value for key, value in said.items()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where no file is yet."""
    return tmp_path / "Pulumi.live.yaml"


def test_enter_six_times_is_a_stack_file_that_farshore_plan_accepts(file: Path) -> None:
    """The defaults keep apart what the policy wants apart; nothing is left to be filled in but tokens."""
    done = init(file, typed=(ENTER,) * 6)
    assert done.exit_code == 0, done.output
    assert [f"{number}/6" in done.output for number in range(1, 8)] == [True] * 6 + [False]
    assert config(file) == {
        "pulumi:disable-default-providers": ["*"],
        "accounts": {
            "edge": {"company": "Hetzner Online GmbH", "home": "DE"},
            "vault": {"company": "Hetzner Online GmbH", "home": "DE"},
        },
        "shields": {"falkenstein": {"slot": 0, "account": "edge", "location": "fsn1", "server_type": "cx23"}},
        "origins": {
            "press": {
                "slot": 2,
                "account": "vault",
                "location": "hel1",
                "server_type": "cx23",
                "shields": ["falkenstein"],
                "services": {"web": {"port": 8443}},
            }
        },
        "domains": {"www.example.com": {"origin": "press", "service": "web", "tls": "passthrough"}},
        "policy": {"separate": ["country", "account"]},
        "addresses": "keep",
    }
    planned = CliRunner().invoke(app, ["plan", "--stack", "live", "--config-file", str(file)])
    assert planned.exit_code == 0, planned.output
    assert "falkenstein" in planned.output


def test_every_answer_is_in_the_file(file: Path) -> None:
    """Other values than the defaults, and commas in a company's name; what differs is demanded from now on."""
    typed = (
        "night",
        "hel1, front, Foo, Bar & Sons, Inc., US",
        "nbg1, back",
        "news.example.org",
        "443",
        f"{KEY} from 192.0.2.0/24, 2001:db8::/48",
    )
    done = init(file, typed=typed)
    assert done.exit_code == 0, done.output
    found = config(file)
    assert found["accounts"] == {
        "front": {"company": "Foo, Bar & Sons, Inc.", "home": "US"},
        "back": {"company": "Hetzner Online GmbH", "home": "DE"},
    }
    assert (found["shields"]["helsinki"]["account"], found["shields"]["helsinki"]["location"]) == ("front", "hel1")
    press = found["origins"]["press"]
    assert (press["account"], press["location"], press["shields"]) == ("back", "nbg1", ["helsinki"])
    assert press["services"] == {"web": {"port": 443}}
    assert list(found["domains"]) == ["news.example.org"]
    assert found["policy"] == {"separate": ["country", "account", "company", "home"]}
    assert found["break_glass"] == {"public_key": KEY, "sources": ["192.0.2.0/24", "2001:db8::/48"]}
    assert "# farshore:break_glass" not in file.read_text(encoding="utf-8")


def test_options_say_the_same_and_nobody_is_asked(file: Path, tmp_path: Path) -> None:
    """What a script writes is what a person gets, byte for byte."""
    done = init(
        file, "--yes", "--stack", "night", "--shields", "nbg1,front", "--origins", "hel1,back",
        "--domain", "news.example.org", "--port", "443", "--break-glass", f"{KEY} from 192.0.2.0/24",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "1/6" not in done.output
    typed = ("night", "nbg1, front", "hel1, back", "news.example.org", "443", f"{KEY} from 192.0.2.0/24")
    other = tmp_path / "other.yaml"
    assert init(other, typed=typed).exit_code == 0
    assert other.read_bytes() == file.read_bytes()


def test_one_option_leaves_five_questions(file: Path) -> None:
    """What is given is not asked; the rest is."""
    done = init(file, "--domain", "news.example.org", typed=(ENTER,) * 5)
    assert done.exit_code == 0, done.output
    assert "4/6" not in done.output
    assert "3/6" in done.output
    assert list(config(file)["domains"]) == ["news.example.org"]


@pytest.mark.parametrize(
    ("question", "wrong", "said"),
    [
        (1, "Night", "--stack: 'Night', allowed: lower-case letters, digits and dashes"),
        (1, "../live", "--stack: '../live', allowed: lower-case letters"),
        (2, "fsn2", "location: 'fsn2', allowed: fsn1, nbg1, hel1, ash, hil, sin; did you mean 'fsn1'?"),
        (2, "fsn1, Edge", "farshore:accounts.Edge: 'Edge', allowed: lower-case letters"),
        (
            2,
            "fsn1, edge, Foo, UK",
            "farshore:accounts.edge.home: 'UK', allowed: an ISO 3166 code of two capital letters like FI; write GB",
        ),
        (2, "fsn1, edge, , DE", "farshore:accounts.edge.company: ''"),
        (3, "nbg1", "country 'DE', that of its shield 'falkenstein', allowed: another country"),
        (3, "hel1, edge", "account 'edge', that of its shield 'falkenstein', allowed: another account"),
        (4, "localhost", "farshore:domains.localhost: 'localhost', allowed: a domain name in lower case"),
        (4, "a.example: {origin", "allowed: a domain name in lower case"),
        (5, "https", "farshore:origins.press.services.web.port: 'https', allowed: 1 to 65535; write a whole number"),
        (5, "65536", "farshore:origins.press.services.web.port: 65536, allowed: 1 to 65535; correct it"),
        (
            6,
            "ssh-rsa AAAA from 192.0.2.0/24",
            "farshore:break_glass.public_key: text of 12 characters, allowed: an ed25519 public key",
        ),
        (6, KEY, "farshore:break_glass.sources: nothing, allowed: at least one network; say `<key> from <networks>`"),
        (6, f"{KEY} from 192.0.2.1/24", "192.0.2.1/24"),
        (6, "a\x1b[2Jb", "an answer: 'a\\x1b[2Jb', allowed: one line of text"),
    ],
)
def test_a_wrong_answer_is_asked_again_with_what_the_loader_says(
    file: Path, question: int, wrong: str, said: str
) -> None:
    """Only that question comes twice, and the file is that of the right answers alone."""
    typed = (*(ENTER,) * (question - 1), wrong, *(ENTER,) * (7 - question))
    done = init(file, typed=typed)
    assert done.exit_code == 0, done.output
    assert said in done.output
    counts = [done.output.count(f"{number}/6 ") for number in range(1, 7)]
    assert counts == [2 if number == question else 1 for number in range(1, 7)]
    right = file.with_name("right.yaml")
    assert init(right, "--yes").exit_code == 0
    assert file.read_bytes() == right.read_bytes()


@pytest.mark.parametrize(
    ("option", "wrong", "said"),
    [
        ("--stack", "Night", "--stack: 'Night', allowed:"),
        ("--shields", "fsn2", "did you mean 'fsn1'?"),
        ("--origins", "nbg1", "move one of them to another country"),
        ("--domain", "localhost", "allowed: a domain name"),
        ("--port", "0", "allowed: 1 to 65535"),
        ("--break-glass", KEY, "allowed: at least one network"),
        ("--domain", "a.example\nfarshore:addresses: release", "allowed: one line of text"),
    ],
)
def test_a_wrong_option_is_refused_and_nothing_is_written(file: Path, option: str, wrong: str, said: str) -> None:
    """A script is told once, with exit code 2."""
    done = init(file, "--yes", option, wrong)
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output
    assert not file.exists()


def test_the_origins_default_is_never_beside_the_shields(file: Path) -> None:
    """Whatever is answered for the shields, Enter keeps country and account apart."""
    done = init(file, "--yes", "--shields", "hel1, vault")
    assert done.exit_code == 0, done.output
    press = config(file)["origins"]["press"]
    assert (press["location"], press["account"]) == ("fsn1", "edge")


def test_a_file_that_is_there_is_asked_about_again(file: Path, tmp_path: Path) -> None:
    """Without --overwrite it stays as it is, whatever is in it; with it, it is replaced."""
    file.write_text("precious: true\n", encoding="utf-8")
    done = init(file, "--yes")
    assert done.exit_code == 2
    assert "Pulumi.live.yaml: there already, allowed: a new file; name another stack, or say --overwrite" in done.output
    assert file.read_text(encoding="utf-8") == "precious: true\n"
    assert init(file, "--yes", "--overwrite").exit_code == 0
    assert "shields" in config(file)
    assert [path.name for path in tmp_path.iterdir()] == ["Pulumi.live.yaml"]


def test_the_example_of_the_checkout_is_not_written_over() -> None:
    """Pulumi.prod.yaml is there: its name is taken."""
    before = (ROOT / "Pulumi.prod.yaml").read_bytes()
    done = CliRunner().invoke(app, ["init", "--yes", "--stack", "prod"])
    assert done.exit_code == 2
    assert "Pulumi.prod.yaml: there already" in done.output
    assert (ROOT / "Pulumi.prod.yaml").read_bytes() == before


@pytest.mark.parametrize(
    "sealed",
    ["encryptionsalt: v1:abc\nconfig: {}\n", "config:\n  farshore:secrets:\n    tokens:\n      edge: {secure: v1:x}\n"],
)
def test_a_file_with_secrets_is_not_written_over_at_all(file: Path, sealed: str) -> None:
    """What opens the state of a deployment stands there and nowhere else."""
    file.write_text(sealed, encoding="utf-8")
    done = init(file, "--yes", "--overwrite")
    assert done.exit_code == 2
    assert "Pulumi.live.yaml: holds secrets, allowed: a file without" in done.output
    assert file.read_text(encoding="utf-8") == sealed


def test_a_folder_that_is_not_there_is_one_message(tmp_path: Path) -> None:
    """No traceback, no folder made."""
    done = init(tmp_path / "none" / "Pulumi.live.yaml", "--yes")
    assert done.exit_code == 2
    assert "FileNotFoundError, allowed: a new file in a folder of yours" in done.output
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_input_writes_nothing(file: Path) -> None:
    """Somebody who leaves in the middle has no half of a file."""
    done = init(file, typed=(ENTER, ENTER, "nbg1"))
    assert done.exit_code == 1
    assert not file.exists()


def test_it_ends_with_the_cost_and_the_next_commands(file: Path) -> None:
    """Tokens are asked for by Pulumi, one for each account; none is ever an argument."""
    done = init(file, "--yes", "--stack", "night", "--shields", "fsn1,front")
    where = f"--stack night --config-file {file}"
    cost = f"about 11.98 EUR a month without VAT by Hetzner's prices of {hetzner_prices().day}"
    assert cost in done.output
    assert done.output.splitlines()[-4:] == [
        "  pulumi stack init night",
        f"  pulumi config set --secret --path 'farshore:secrets.tokens.front' {where}",
        f"  pulumi config set --secret --path 'farshore:secrets.tokens.vault' {where}",
        f"  pulumi preview {where}",
    ]


def test_the_file_is_commented_and_an_editor_knows_its_schema(file: Path) -> None:
    """Every section has a word before it, and the first line names the schema, as in Pulumi.prod.yaml."""
    assert init(file, "--yes").exit_code == 0
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0] == (ROOT / "Pulumi.prod.yaml").read_text(encoding="utf-8").splitlines()[0]
    sections = [at for at, line in enumerate(lines) if line.startswith("  farshore:")]
    assert len(sections) == 6
    assert all(lines[at - 1].startswith("  # ") for at in sections)
    assert max(map(len, lines)) <= 120
    assert "#   pulumi config set --secret --path 'farshore:secrets.tokens.vault' --stack live" in lines


ANY_LINE = st.text(st.characters(categories=("L", "M", "N", "P", "S", "Zs"))).filter(str.isprintable)


@given(ANY_LINE, ANY_LINE, ANY_LINE, ANY_LINE, ANY_LINE)
def test_no_answer_can_say_more_than_itself(company: str, home: str, domain: str, key: str, source: str) -> None:
    """Quotes, colons, braces, words that YAML knows: each is a text in its place, for YAML 1.1 and for 1.2."""
    answers = Answers(
        stack="live",
        shields=Side(location="fsn1", account="edge", company=company, home=home),
        origins=Side(location=source, account="vault", company=company, home="NO"),
        domain=domain,
        port=f"{home} }}, x: {{",
        way_in=WayIn(public_key=key, sources=(source, domain)),
    )
    text = stack_text(answers)
    for said in (yaml.safe_load(text), YAML(typ="safe", pure=True).load(text)):
        found = said["config"]
        assert found["farshore:accounts"] == {
            "edge": {"company": company, "home": home},
            "vault": {"company": company, "home": "NO"},
        }
        assert list(found["farshore:domains"]) == [domain]
        assert found["farshore:break_glass"] == {"public_key": key, "sources": [source, domain]}
        assert found["farshore:origins"]["press"]["location"] == source
        assert found["farshore:origins"]["press"]["services"] == {"web": {"port": f"{home} }}, x: {{"}}
        assert len(said) == 1
        assert len(found) == 8
