"""Switch a server on, and wait until its provider says that it runs: it leaves one that got another size without power.

Runs by itself, as `python3 -I -c` with this text: no import but the standard library's. Standard input has JSON with
`account` (as the stack file calls it), `server` (the provider's number), and `token`, which goes nowhere else.
HCLOUD_ENDPOINT is the API's address where it is not Hetzner's.
"""

import json
import os
import sys
import time
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

HETZNER = "https://api.hetzner.cloud/v1"
WITHIN_S = 300.0
AGAIN_S = 1.0
ANSWER_WITHIN_S = 30.0
# What passes by itself, beside all from 500 on: https://docs.hetzner.cloud/reference/cloud#errors
PASSING = {HTTPStatus.CONFLICT, HTTPStatus.LOCKED, HTTPStatus.TOO_MANY_REQUESTS}


def main() -> int:
    """Return 0 once the server runs."""
    asked = json.load(sys.stdin)
    server, deadline = f"/servers/{asked['server']}", time.monotonic() + WITHIN_S
    found = "no answer"
    while time.monotonic() < deadline:
        try:
            code, answer = ask("GET", server, asked["token"])
            found = answer["server"]["status"] if code == HTTPStatus.OK else f"HTTP status {code}"
            if found == "off":
                code, _ = ask("POST", f"{server}/actions/poweron", asked["token"])
                found = f"off, HTTP status {code}"
        except (OSError, HTTPException, ValueError, KeyError) as error:
            code, found = 0, f"no answer ({type(error).__name__})"
        if found == "running":
            return 0
        if HTTPStatus.BAD_REQUEST <= code < HTTPStatus.INTERNAL_SERVER_ERROR and code not in PASSING:
            break
        time.sleep(AGAIN_S)
    remedy = "run `up` again, or farshore repair"
    sys.stderr.write(f"account {asked['account']}: server {asked['server']}: {found}, allowed: running; {remedy}\n")
    return 1


def ask(method: str, path: str, token: str) -> tuple[int, Any]:
    """Return the API's answer: its status, and what it says."""
    at = urlsplit(os.environ.get("HCLOUD_ENDPOINT") or HETZNER)
    door = {"https": HTTPSConnection, "http": HTTPConnection}[at.scheme](at.netloc, timeout=ANSWER_WITHIN_S)
    try:
        door.request(method, f"{at.path}{path}", headers={"Authorization": f"Bearer {token}"})
        answer = door.getresponse()
        return answer.status, json.load(answer)
    finally:
        door.close()


if __name__ == "__main__":
    sys.exit(main())
