"""The HTTP server: what it says, what it logs, who may look behind it, and how it fails on demand.

httpx ──HTTP──► 127.0.0.1:port/v1  ──► lab.cloud      token of a project
127.0.0.1:port/lab ──► the lab itself token of its own
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.cloud.driver import KEY_1, TOKEN_A, TOKEN_B, server_body
from tests.cloud.serving import CONTROL_TOKEN

if TYPE_CHECKING:
    from tests.cloud.serving import Lab

pytestmark = pytest.mark.lab

KEY = {"name": "ops", "public_key": KEY_1}


def test_answers_are_json_with_limits(lab: Lab) -> None:
    """Content type, limits and correlation id are on answers and refusals alike."""
    for path in ("/v1/servers", "/v1/servers/1"):
        answer = lab.send("GET", path)
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["RateLimit-Limit"] == "3600"
        assert int(answer.headers["RateLimit-Remaining"]) < 3600
        assert int(answer.headers["RateLimit-Reset"]) > 0
        assert answer.headers["X-Correlation-Id"]


def test_an_answer_without_content_has_no_body(lab: Lab) -> None:
    """204 after a deletion."""
    number = lab.send("POST", "/v1/ssh_keys", json=KEY).json()["ssh_key"]["id"]
    answer = lab.send("DELETE", f"/v1/ssh_keys/{number}")
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("content", [b"{", b"[1]", b'"text"', b"\xff"])
def test_a_body_that_is_no_object_is_refused(lab: Lab, content: bytes) -> None:
    """400 with Hetzner's code, and nothing is carried out."""
    answer = lab.send("POST", "/v1/ssh_keys", content=content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "json_error")
    assert lab.cloud.objects()["a"] == {}


@pytest.mark.parametrize("header", [None, "", "Bearer", f"Basic {TOKEN_A}", f"Bearer {TOKEN_A}x"])
def test_without_a_token_there_is_nothing(lab: Lab, header: str | None) -> None:
    """401 whatever stands in the header."""
    headers = {} if header is None else {"Authorization": header}
    answer = httpx.get(f"{lab.url}/v1/servers", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")


def test_the_lab_listens_on_one_address_only(lab: Lab) -> None:
    """The same port of another loopback address is closed, so none of the machine's other ones is open."""
    port = urlsplit(lab.url).port
    assert port is not None
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=5)


def test_the_log_has_a_line_a_request_and_no_secret(lab: Lab) -> None:
    """Method, path, status, project, duration; never user data, names from bodies, queries or tokens."""
    lab.send("POST", "/v1/servers", json=server_body("named", user_data="hunter2"))
    lab.send("GET", "/v1/servers?name=queried", token=TOKEN_B)
    lab.send("GET", "/v1/servers/1", token="unknown-token")
    lab.control("GET", "/objects")
    entries = lab.logged()
    assert all(entry.pop("duration_s") >= 0 for entry in entries)
    assert entries == [
        {"method": "POST", "path": "/servers", "status": 201, "account": "a"},
        {"method": "GET", "path": "/servers", "status": 200, "account": "b"},
        {"method": "GET", "path": "/servers/1", "status": 401, "account": None},
    ]
    for secret in ("hunter2", "named", "queried", "unknown-token", TOKEN_A, TOKEN_B, CONTROL_TOKEN):
        assert secret not in "".join(lab.log)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/lab/objects"),
        ("GET", "/lab/unmodelled"),
        ("GET", "/lab/requests/count"),
        ("GET", "/lab/faults"),
        ("POST", "/lab/faults"),
        ("DELETE", "/lab/faults"),
    ],
)
def test_the_lab_has_a_token_of_its_own(lab: Lab, method: str, path: str) -> None:
    """A project's token does not open the lab, and the lab's opens no project."""
    lab.arm(path="/never", status=500)
    for token in ("", TOKEN_A, CONTROL_TOKEN[:-1]):
        assert lab.send(method, path, token=token).status_code == 401
    assert len(lab.faults.waiting()) == 1
    assert lab.send("GET", "/v1/servers", token=CONTROL_TOKEN).status_code == 401


def test_the_lab_tells_what_exists_and_what_was_asked(lab: Lab) -> None:
    """Names per project, unmodelled requests, and the number of requests to the API."""
    lab.send("POST", "/v1/ssh_keys", json=KEY)
    lab.send("GET", "/v1/load_balancers/7")
    assert lab.control("GET", "/objects").json() == {"a": {"ssh_keys": ["ops"]}, "b": {}}
    assert lab.control("GET", "/unmodelled").json() == ["GET /load_balancers/7"]
    assert lab.control("GET", "/requests/count").json() == {"count": 2}
    lab.cloud.unmodelled.clear()


def test_faults_are_ordered_over_http(lab: Lab) -> None:
    """Ordered, seen, met, withdrawn; one that makes no sense is refused."""
    fault = {"method": "GET", "path": "/servers", "status": 503, "code": "unavailable", "times": 2}
    assert lab.control("POST", "/faults", json=fault).status_code == 201
    assert [one["status"] for one in lab.control("GET", "/faults").json()] == [503]
    answer = lab.send("GET", "/v1/servers")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    assert lab.control("DELETE", "/faults").status_code == 204
    assert lab.send("GET", "/v1/servers").status_code == 200
    assert lab.control("POST", "/faults", json={"status": 503, "nonsense": 1}).status_code == 422
    assert lab.control("GET", "/faults").json() == []


def test_a_refusal_on_demand_is_not_carried_out(lab: Lab) -> None:
    """One project meets it, the other does not; afterwards it works."""
    lab.arm(method="POST", path="/ssh_keys", account="a", status=423, code="locked", message="busy")
    answer = lab.send("POST", "/v1/ssh_keys", json=KEY)
    assert answer.status_code == 423
    assert answer.json() == {"error": {"code": "locked", "message": "busy", "details": None}}
    assert lab.cloud.objects()["a"] == {}
    lab.arm(method="POST", path="/ssh_keys", account="a", status=500)
    assert lab.send("POST", "/v1/ssh_keys", token=TOKEN_B, json=KEY).status_code == 201
    assert lab.send("POST", "/v1/ssh_keys", json=KEY).status_code == 500
    assert lab.send("POST", "/v1/ssh_keys", json=KEY).status_code == 201


def test_a_bare_status_has_no_json(lab: Lab) -> None:
    """As a proxy in front of the API answers."""
    lab.arm(status=502)
    answer = lab.send("GET", "/v1/servers")
    assert (answer.status_code, answer.content) == (502, b"")


def test_a_slow_answer_is_carried_out_first(lab: Lab) -> None:
    """Others are answered meanwhile; the client that gave up left its object behind."""
    lab.arm(method="POST", path="/ssh_keys", delay_s=2.0)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{lab.url}/v1/ssh_keys", json=KEY, headers={"Authorization": f"Bearer {TOKEN_A}"}, timeout=0.3)
    started_s = time.monotonic()
    assert lab.send("GET", "/v1/ssh_keys").json()["ssh_keys"][0]["name"] == "ops"
    assert time.monotonic() - started_s < 1.5


def test_a_slow_answer_comes_in_the_end(lab: Lab) -> None:
    """Not before its time."""
    lab.arm(delay_s=0.3)
    started_s = time.monotonic()
    assert lab.send("GET", "/v1/servers").status_code == 200
    assert time.monotonic() - started_s >= 0.3


@pytest.mark.parametrize(
    ("drop", "carried_out", "said"),
    [
        ("before", {}, "without sending a response"),
        ("after", {"ssh_keys": ["ops"]}, "without sending a response"),
        ("half", {"ssh_keys": ["ops"]}, "without sending complete message body"),
    ],
)
def test_a_connection_is_cut(lab: Lab, drop: str, carried_out: dict[str, Any], said: str) -> None:
    """Before or after the request is carried out, or in the middle of the answer; the next request works."""
    lab.arm(method="POST", drop=drop)
    with pytest.raises(httpx.TransportError, match=said):
        lab.send("POST", "/v1/ssh_keys", json=KEY)
    assert lab.cloud.objects()["a"] == carried_out
    assert lab.send("GET", "/v1/ssh_keys").status_code == 200
    assert [entry["status"] for entry in lab.logged()] == [None, 200]


def test_half_of_an_answer_without_a_body_is_none(lab: Lab) -> None:
    """Its head alone would be all of it, and the client would call it a success."""
    key = lab.send("POST", "/v1/ssh_keys", json=KEY).json()["ssh_key"]
    lab.arm(method="DELETE", drop="half")
    with pytest.raises(httpx.TransportError, match="without sending a response"):
        lab.send("DELETE", f"/v1/ssh_keys/{key['id']}")
    assert lab.cloud.objects()["a"] == {}


def test_a_cut_in_a_refusal_is_possible(lab: Lab) -> None:
    """Kinds of faults can be combined: half of a 503."""
    lab.arm(status=503, code="unavailable", drop="half")
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        lab.send("POST", "/v1/ssh_keys", json=KEY)
    assert lab.cloud.objects()["a"] == {}


def test_a_location_sells_out_for_one_request(lab: Lab) -> None:
    """An order there is 412 and makes nothing; elsewhere it is taken, and so is the next one there."""
    fault = {"method": "POST", "path": "/servers", "sold_out": "fsn1", "times": 2}
    assert lab.control("POST", "/faults", json=fault).status_code == 201
    answer = lab.send("POST", "/v1/servers", json=server_body())
    assert (answer.status_code, answer.json()["error"]["code"]) == (412, "resource_unavailable")
    assert lab.send("POST", "/v1/servers", json=server_body("far", location="nbg1")).status_code == 201
    assert lab.send("POST", "/v1/servers", json=server_body()).status_code == 201


def test_one_request_starts_an_action_without_end(lab: Lab) -> None:
    """Its action runs on, that of the next request does not."""
    number = lab.send("POST", "/v1/primary_ips", json={"name": "v4", "type": "ipv4", "location": "fsn1"}).json()
    path = f"/v1/primary_ips/{number['primary_ip']['id']}/actions/change_protection"
    lab.arm(method="POST", endless=True)
    first, second = (lab.send("POST", path, json={"delete": True}).json()["action"]["id"] for _ in range(2))
    ended = [
        [lab.send("GET", f"/v1/actions/{action}").json()["action"]["status"] for _ in range(3)]
        for action in (first, second)
    ]
    assert ended == [["running"] * 3, ["success"] * 3]


def test_one_server_never_boots(lab: Lab) -> None:
    """It runs by the API and not in the world; the next one does."""
    lab.arm(method="POST", path="/servers", no_boot=True)
    dead, alive = (
        lab.send("POST", "/v1/servers", json=server_body(name)).json()["server"]["id"] for name in ("dead", "alive")
    )
    for _ in range(2):
        shown = lab.send("GET", f"/v1/servers/{dead}/actions").json()
    assert {action["status"] for action in shown["actions"]} == {"success"}
    assert lab.send("GET", f"/v1/servers/{dead}").json()["server"]["status"] == "running"
    assert {wish.server_id: wish.running for wish in lab.cloud.wishes()} == {dead: False, alive: True}
