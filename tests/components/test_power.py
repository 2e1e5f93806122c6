"""What switches a server on: one command a host, which runs where the program does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.components.recording import is_secret, record, unwrap
from tests.components.test_delivery import program

if TYPE_CHECKING:
    from tests.components.recording import Recorder

COMMAND = "command:local:Command"
HOSTS = ("edge.falkenstein", "vault.press")


def asked(recorder: Recorder) -> dict[str, Any]:
    """Return the commands that run here, by their hosts."""
    named = {name: inputs for (kind, name), inputs in recorder.asked.items() if kind == COMMAND}
    return {name.removeprefix("farshore-").removesuffix("-power"): inputs for name, inputs in named.items()}


@pytest.mark.parametrize("delivery", ["ssh", "none"])
def test_each_host_has_one_whether_it_is_reached_or_not(delivery: str) -> None:
    """Its token comes by standard input, as a secret, and stands nowhere else."""
    found = asked(record(program(delivery=delivery)))
    assert sorted(found) == sorted(HOSTS)
    for name, inputs in found.items():
        assert is_secret(inputs["stdin"])
        told = json.loads(unwrap(inputs["stdin"]))
        assert (told["account"], told["type"]) == (name.split(".")[0], "cx23")
        assert told["token"] not in str({key: value for key, value in inputs.items() if key != "stdin"})
        assert (inputs["create"], inputs["logging"], inputs["interpreter"][:3]) == (
            "switch-on",
            "none",
            ["python3", "-I", "-c"],
        )
    assert len({json.loads(unwrap(inputs["stdin"]))["token"] for inputs in found.values()}) == len(HOSTS)


def test_another_size_is_another_input_of_that_host_alone() -> None:
    """What differs is run again: nothing else of the command hangs on the size."""
    before, after = asked(record(program())), asked(record(program(origins__press__server_type="cx33")))
    sizes = {name: json.loads(unwrap(inputs["stdin"]))["type"] for name, inputs in after.items()}
    assert sizes == {"edge.falkenstein": "cx23", "vault.press": "cx33"}
    assert before["edge.falkenstein"]["interpreter"] == after["vault.press"]["interpreter"]
