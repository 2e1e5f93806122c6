"""Play a recording of the real provider against this plugin: same requests, same order, same outputs.

A recording is a list of steps; a step names the operations of an engine, the requests that the provider then sent with
the API's answers, and the state afterwards. `Player` is the engine's half: it calls the plugin for each operation.
`Api` is the API's half: it answers what was recorded and refuses everything else.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from lab.engine.plugins.hcloud.resources.server import user_data_hash
from tests.engine_plugins.driver import ROOT, Driven, FailedError, Made, running_plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.engine.values import Properties

TOKEN: Final = "t" * 64
VECTORS: Final = ROOT / "tests" / "vectors" / "hcloud"
SECRET: Final = "[secret]"


def recording(name: str) -> list[dict[str, Any]]:
    """Return the steps of one recording."""
    steps: list[dict[str, Any]] = json.loads((VECTORS / f"{name}.json").read_text())
    return steps


@dataclass
class Exchange:
    """One recorded request with its answer; `taken` once it was asked for."""

    account: str
    method: str
    path: str
    body: Any
    status: int
    answer: Any
    taken: bool = False


@dataclass
class Api:
    """The API's half: answers recorded requests, each once, and notes what nobody recorded."""

    exchanges: list[Exchange] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def expect(self, exchanges: list[dict[str, Any]]) -> None:
        """Take the exchanges of the next step."""
        self.exchanges = [
            Exchange(
                account=item["account"],
                method=item["method"],
                path=item["path"],
                body=item.get("body"),
                status=item["status"],
                answer=item.get("answer"),
            )
            for item in exchanges
        ]
        self.asked.clear()

    def answer(self, account: str, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Answer a request with the first recorded exchange like it that was not yet taken."""
        with self.lock:
            for place, exchange in enumerate(self.exchanges):
                same = (exchange.account, exchange.method, exchange.path) == (account, method, path)
                if same and not exchange.taken and _alike(exchange.body, body):
                    exchange.taken = True
                    self.asked.append(place)
                    return exchange.status, exchange.answer
            self.strange.append(f"{account} {method} {path} {json.dumps(body)}")
        return 501, {"error": {"code": "not_recorded", "message": f"{method} {path}", "details": None}}


def _alike(recorded: Any, sent: Any) -> bool:
    """Compare bodies; a recorded `xxxxxxx` stands for random characters."""
    if isinstance(recorded, str) and recorded.endswith("-xxxxxxx") and isinstance(sent, str):
        return sent.startswith(recorded.removesuffix("xxxxxxx"))
    if isinstance(recorded, dict) and isinstance(sent, dict):
        return recorded.keys() == sent.keys() and all(_alike(recorded[key], sent[key]) for key in recorded)
    return bool(recorded == sent)


@contextmanager
def serving(api: Api) -> Iterator[Api]:
    """Serve the API's half on loopback; account `a` is below `/a/v1`, `b` below `/b/v1`."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            account, _, rest = self.path.lstrip("/").partition("/v1")
            api.tokens.add(str(self.headers.get("Authorization")))
            status, answer = api.answer(account, str(self.command), rest, body)
            plain = isinstance(answer, str)
            data = b"" if answer is None else (answer if plain else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if plain else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing: pytest shows what failed."""

        protocol_version = "HTTP/1.1"
        wbufsize = 65536  # head and body in one piece: apart they meet a delayed ACK, 40 ms a request

    for method in ("GET", "POST", "PUT", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


@contextmanager
def accounts(api: Api) -> Iterator[dict[str, Driven]]:
    """Run a plugin for each of the accounts `a` and `b`."""
    with running_plugin("hcloud") as a, running_plugin("hcloud") as b:
        for name, driven in (("a", a), ("b", b)):
            driven.configure(settings(api, name))
        yield {"a": a, "b": b}


def settings(api: Api, account: str = "a") -> Properties:
    """Return a provider's settings for an account of the API's half."""
    endpoint = f"http://127.0.0.1:{api.port}/{account}/v1"
    return {"token": TOKEN, "endpoint": endpoint, "pollInterval": "1ms", "pollFunction": "constant"}


class Player:
    """The engine's half.

    Args:
        steps: The recording.
        plugins: By account.
        api: The API's half.
        second: Names of resources that belong to account `b`, in recordings that have one.
    """

    def __init__(
        self,
        steps: list[dict[str, Any]],
        plugins: dict[str, Driven],
        api: Api,
        second: frozenset[str] = frozenset(),
    ) -> None:
        self._steps = steps
        self._number = -1
        self._plugins = plugins
        self._api = api
        has_second = any(item["account"] == "b" for step in steps for item in step["http"])
        self._second = second if has_second else frozenset()
        self.state: dict[str, Made] = {}
        self._leaving: dict[str, Made] = {}
        self._given: dict[str, Properties] = {}
        self._ignored: tuple[str, ...] = ()
        self._messages: list[dict[str, Any]] = []
        self._user_data = ""

    def play(self) -> None:
        """Do every step that changes something and compare requests, differences, outputs and errors."""
        for number, step in enumerate(self._steps):
            if "preview" in step["command"]:
                continue
            self._number = number
            try:
                self._play(step)
            except (AssertionError, FailedError) as failure:
                failure.add_note(f"step {number}: {step['command']} {step.get('note') or ''}")
                raise

    def _play(self, step: dict[str, Any]) -> None:
        self._api.expect(step["http"])
        self._messages = step.get("messages", [])
        refused = [item["message"] for item in step.get("messages", []) if "it is protected" in item["message"]]
        rows = {row["resource"]: row for row in step.get("state", []) if not row.get("delete")}
        pending = {
            row["resource"] for row in step.get("state", []) if row.get("delete") or row.get("pendingReplacement")
        }
        self._ignored = ("userData",) if step.get("config", {}).get("ignore") == "true" else ()
        self._user_data = _user_data(step, self._user_data)
        if step["command"].startswith("pulumi refresh"):
            for resource in list(self.state):
                self._in_one_piece(lambda resource=resource: self._refresh(resource))
                self._compare_outputs(resource, rows)
        else:
            for operation in step["ops"]:
                if any(operation["resource"] in message for message in refused):
                    continue  # the engine itself refused
                self._in_one_piece(lambda operation=operation: self._do(operation, rows))
        self._leaving = {resource: made for resource, made in self._leaving.items() if resource in pending}
        assert self._api.strange == [], f"requests that the original did not send: {self._api.strange}"
        left = [f"{item.method} {item.path}" for item in self._api.exchanges if not item.taken]
        assert left == [], f"requests that only the original sent: {left}"
        present = {resource for resource, row in rows.items() if not row.get("pendingReplacement")}
        assert self.state.keys() == present

    def _in_one_piece(self, act: Any) -> None:
        """Do one operation and see that its requests are consecutive and in the recorded order."""
        before = len(self._api.asked)
        act()
        asked = self._api.asked[before:]
        assert asked == list(range(asked[0], asked[0] + len(asked))) if asked else True, asked

    def _do(self, operation: dict[str, Any], rows: dict[str, Any]) -> None:
        resource, verb = operation["resource"], operation["op"]
        made = self.state.get(resource)
        if verb in {"create", "create-replacement"}:
            if made is not None:
                self._compare_diff(operation, made, self._inputs(operation, rows))
                self._leaving[resource] = made
            self._create(operation, rows)
        elif verb == "replace" and operation.get("diffs") is None:
            return  # the engine decided it by itself
        elif verb == "replace":
            old = self._leaving.get(resource, made)
            assert old is not None
            self._compare_diff(operation, old, self._inputs(operation, rows))
        elif verb == "update":
            self._update(operation, rows)
        elif verb in {"delete", "delete-replaced"}:
            self._delete(operation)
        elif verb == "refresh":
            self._refresh(resource)
        else:
            raise AssertionError(f"operation {verb}")

    def _create(self, operation: dict[str, Any], rows: dict[str, Any]) -> None:
        resource = operation["resource"]
        kind, name = _parts(resource)
        inputs, failures = self._plugin(resource).check(kind, self._inputs(operation, rows), name=name)
        assert failures == []
        made = self._expecting(
            operation, lambda: self._plugin(resource).create(kind, inputs, name=name), Made("", inputs, {})
        )
        if made is not None:
            self.state[resource] = made
            self._compare_outputs(resource, rows)

    def _update(self, operation: dict[str, Any], rows: dict[str, Any]) -> None:
        resource = operation["resource"]
        kind, name = _parts(resource)
        made = self.state[resource]
        raw = self._inputs(operation, rows)
        inputs, failures = self._plugin(resource).check(kind, raw, name=name, olds=made.inputs)
        assert failures == []
        self._compare_diff(operation, made, inputs)
        updated = self._expecting(operation, lambda: self._plugin(resource).update(kind, made, inputs, name=name), made)
        if updated is not None:
            self.state[resource] = updated
            self._compare_outputs(resource, rows)

    def _delete(self, operation: dict[str, Any]) -> None:
        resource = operation["resource"]
        kind, name = _parts(resource)
        leaving = operation["op"] == "delete-replaced" and resource in self._leaving
        made = self._leaving.pop(resource) if leaving else self.state[resource]
        self._expecting(operation, lambda: self._plugin(resource).delete(kind, made, name=name), made)
        if not operation.get("failed") and not leaving:
            del self.state[resource]
            self._leaving[resource] = made

    def _refresh(self, resource: str) -> None:
        kind, name = _parts(resource)
        found = self._plugin(resource).read(kind, self.state[resource], name=name)
        if found is None:
            del self.state[resource]
            return
        self.state[resource] = found

    def _expecting(self, operation: dict[str, Any], act: Any, before: Made) -> Made | None:
        """Do what the recording says fails or works; a half-made resource comes back as far as it got."""
        try:
            made: Made | None = act()
        except FailedError as failure:
            self._compare_error(operation, failure)
            partial = failure.partial
            return None if partial is None else Made(partial["id"], before.inputs, partial["properties"])
        assert not operation.get("failed"), f"{operation}: the original failed"
        return made

    def _compare_error(self, operation: dict[str, Any], failure: FailedError) -> None:
        """Compare what a person is told; an engine puts the reasons of a half-made resource into a list."""
        assert operation.get("failed"), f"{operation}: {failure.text}"
        told = [item["message"] for item in self._messages if item.get("resource") == operation["resource"]]
        text = failure.text.rstrip()
        shown = text if failure.partial is None else f"1 error occurred:\n\t* {text}"
        assert shown in told, f"error {shown!r}, recorded {told}"

    def _compare_diff(self, operation: dict[str, Any], old: Made, news: Properties) -> None:
        if operation.get("diffs") is None:
            return
        kind, name = _parts(operation["resource"])
        kept = {key: old.inputs[key] for key in self._ignored if key in old.inputs}  # as the engine does
        found = self._plugin(operation["resource"]).diff(kind, old, {**news, **kept}, name=name)
        seen = (found.properties, found.replaces, found.detailed or None)
        wanted = (operation["diffs"], operation.get("replaceKeys") or [], operation.get("detailedDiff"))
        assert seen == wanted, f"{operation['resource']}: differences {seen}, recorded {wanted}"

    def _compare_outputs(self, resource: str, rows: dict[str, Any]) -> None:
        row = rows.get(resource, {})
        if "outputs" not in row:
            return
        wanted, found = row["outputs"], dict(self.state[resource].outputs)
        if wanted.get("userData") == SECRET:
            assert found["userData"] == user_data_hash(self._user_data)
            found["userData"] = SECRET
        found, wanted = _plain(found), _plain(wanted)
        names = sorted({*found, *wanted})
        wrong = {name: (found.get(name), wanted.get(name)) for name in names}
        wrong = {name: pair for name, pair in wrong.items() if pair[0] != pair[1]}
        assert wrong == {}, f"{resource}: outputs (found, recorded) {wrong}"
        assert found.keys() == wanted.keys()
        assert self.state[resource].id == row["id"]

    def _inputs(self, operation: dict[str, Any], rows: dict[str, Any]) -> Properties:
        """Return what the program gave: with a failed operation, else in the state, else what it gave before."""
        resource = operation["resource"]
        row = rows.get(resource, {})
        if "inputs" in operation:
            inputs: Properties = operation["inputs"]
        elif "inputs" in row:
            inputs = self._given[resource] = row["inputs"]
        else:
            inputs = self._given.get(resource) or self._later_inputs(resource)
        return {**inputs, "userData": self._user_data} if inputs.get("userData") == SECRET else inputs

    def _later_inputs(self, resource: str) -> Properties:
        """Return the inputs of a resource whose creation failed: those with which it worked later."""
        for step in self._steps[self._number :]:
            for row in step.get("state", []):
                if row["resource"] == resource and "inputs" in row:
                    found: Properties = row["inputs"]
                    return found
        raise AssertionError(f"{resource}: the recording has no inputs")

    def _plugin(self, resource: str) -> Driven:
        return self._plugins["b" if _parts(resource)[1] in self._second else "a"]


def _parts(resource: str) -> tuple[str, str]:
    kind, _, name = resource.partition("::")
    return kind, name


def _plain(outputs: Properties) -> Properties:
    """Return outputs in which an empty description and none are the same: the original mixes the two.

    That also changes the order of the rules, which means nothing.
    """
    rules = outputs.get("rules")
    if not isinstance(rules, list):
        return outputs
    plain = [{**rule, "description": rule["description"] or ""} for rule in rules]
    return {**outputs, "rules": sorted(plain, key=lambda rule: json.dumps(rule, sort_keys=True))}


def _user_data(step: dict[str, Any], before: str) -> str:
    """Return the user data that a step's program gives: of the request that carries it, else of its settings."""
    sent = [item["body"]["user_data"] for item in step["http"] if "user_data" in (item.get("body") or {})]
    return sent[-1] if sent else str((step.get("config") or {}).get("user_data", before))
