"""`farshore rotate --token`: a token is tried before it is kept, and no server is touched for it."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hcloud import Client

from lab.client import Lab
from tests.first_light.deployed import FARSHORE, ROOT, UP_WITHIN_S
from tests.labs import cloud_alone, lab_name, unreached_stack_file
from tools.rotation import RotationError
from tools.rotation_token import try_token
from tools.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.lab


def test_only_a_token_of_the_project_that_may_write_is_taken(tmp_path: Path) -> None:
    """Unknown, another project's, one that only reads: each is told from the others, and shown by none."""
    with cloud_alone("rk", tmp_path / "cloud") as lab:
        client = Client(token=lab.tokens["vault"], api_endpoint=lab.endpoint)
        kind, image = (
            client.server_types.get_by_name("cx23"),
            client.images.get_by_name_and_architecture("debian-12", "x86"),
        )
        assert kind
        assert image
        server = client.servers.create("press", kind, image, labels={"farshore-host": "press"}).server
        servers = {str(server.id): "press"}
        try_token("vault", lab.tokens["vault"], servers, endpoint=lab.endpoint)
        for token, said in (
            (
                "x" * 64,
                r"account vault: the new token: unable to authenticate \(unauthorized\), allowed: .*; make another",
            ),
            (lab.readers["vault"], r"\(token_readonly\), allowed: one that opens it; make one with `Read & Write`"),
            (lab.tokens["edge"], "the new token sees no server of press, allowed: a token of the same project"),
        ):
            with pytest.raises(RotationError, match=said) as refused:
                try_token("vault", token, servers, endpoint=lab.endpoint)
            assert token not in str(refused.value)
        with pytest.raises(RotationError, match="account vault: nothing stands in it"):
            try_token("vault", lab.tokens["vault"], {}, endpoint=lab.endpoint)
        assert client.servers.get_by_id(int(server.id or 0)).labels == {"farshore-host": "press"}


@pytest.mark.long
def test_a_new_token_is_used_and_the_old_one_may_go(tmp_path: Path) -> None:
    """Read from standard input, kept encrypted, used by the next `up` although the old one opens nothing any more."""
    name = lab_name("rk")
    folder, file = ROOT / ".lab" / name, unreached_stack_file(tmp_path)
    lab = Lab.start(name, folder, accounts=("edge", "vault"), machines="none")
    try:
        work = Workspace.of_lab(lab)
        work.prepare(file, lab.tokens)
        work.run(["up", "--yes", "--skip-preview", *work.where])
        before = work.outputs()["standing"]

        def rotate(token: str, account: str = "vault") -> subprocess.CompletedProcess[str]:
            words = ["rotate", "--token", account, "--lab", name, "--config-file", str(file)]
            return subprocess.run(
                [str(FARSHORE), *words],
                input=f"{token}\n",
                capture_output=True,
                text=True,
                timeout=UP_WITHIN_S,
                check=False,
            )

        assert "token: 5 characters, allowed: an API token of 64 characters" in rotate("short").stderr
        assert "account: 'vualt', allowed: edge, vault; name one that has hosts" in rotate("n" * 64, "vualt").stderr
        assert "token: the one that account vault has, allowed: a new one" in rotate(lab.tokens["vault"]).stderr
        new = lab.door.ask("POST", "tokens/vault")["token"]
        done = rotate(new)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "account vault: the new token sees press, and may write" in done.stdout
        assert "delete the old one at the provider" in done.stdout
        assert new not in done.stdout + done.stderr + work.stack_file.read_text(encoding="utf-8")
        lab.door.ask("DELETE", "tokens/vault")
        work.run(["refresh", "--yes", "--skip-preview", *work.where])
        work.run(["up", "--yes", "--skip-preview", "--expect-no-changes", *work.where])
        assert work.outputs()["standing"] == before
    finally:
        lab.stop()
        shutil.rmtree(folder, ignore_errors=True)
