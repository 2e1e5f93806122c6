"""Judge and read the provider's own settings: token, endpoint, and how actions are polled. Asks nobody."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from lab.engine.plugins.contract import Failure, PluginError
from lab.engine.plugins.hcloud.api import DEFAULT_ENDPOINT, Api, Polling
from lab.engine.values import unwrap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.engine.values import Properties, Value

TOKEN_LENGTH: Final = 64
POLL_FUNCTIONS: Final = ("constant", "exponential")
CONFIGURED: Final = {
    "token": "HCLOUD_TOKEN",
    "endpoint": "HCLOUD_ENDPOINT",
    "pollInterval": None,
    "pollFunction": None,
}
"""Settings of the provider, and the variables that fill them in."""

_UNITS_S: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")


def check_settings(name: str, news: Properties) -> list[Failure]:
    """Return what is wrong with the settings of a provider: a token's length, an unknown poll function.

    Args:
        name: The provider's name in the program.
        news: Its settings; what is missing may stand in the environment.
    """
    settings = {key: _setting(key, unwrap(news), {}) for key in CONFIGURED}
    failures = []
    token = settings["token"]
    if isinstance(token, str) and len(token) != TOKEN_LENGTH:
        length = f"entered token is invalid (must be exactly {TOKEN_LENGTH} characters long)"
        failures.append(_failure(length, f"{name}.token"))
    function = settings["pollFunction"]
    if isinstance(function, str) and function not in POLL_FUNCTIONS:
        known = " ".join(f'"{choice}"' for choice in POLL_FUNCTIONS)
        choice = f"expected poll_function to be one of [{known}], got {function}"
        failures.append(_failure(choice, f"{name}.pollFunction"))
    return failures


def configured_api(args: Properties, variables: Mapping[str, str]) -> Api:
    """Return the account that the settings name.

    Args:
        args: Settings of the provider.
        variables: The stack's configuration, by `hcloud:config:<key>`; arguments win.

    Raises:
        PluginError: No token, or a poll interval that is no duration.
    """
    settings = {key: _setting(key, unwrap(args), variables) for key in CONFIGURED}
    if not settings["token"]:
        raise PluginError("hcloud: no token; set hcloud:token, or HCLOUD_TOKEN in the environment")
    polling = Polling(
        interval_s=duration_s(settings["pollInterval"] or "500ms"),
        constant=settings["pollFunction"] == "constant",
    )
    return Api(settings["token"], settings["endpoint"] or DEFAULT_ENDPOINT, polling)


def duration_s(text: str) -> float:
    """Return a Go duration such as `500ms` or `1m30s` in seconds."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise PluginError(f'pollInterval: time: invalid duration "{text}"; write it as 500ms or 2s')
    return float(sum(float(number) * _UNITS_S[unit] for number, unit in parts))


def _setting(key: str, args: Properties, variables: Mapping[str, str]) -> Value:
    """Return a setting from the arguments, else the stack's configuration, else the environment."""
    variable = CONFIGURED[key]
    found = args.get(key) or variables.get(f"hcloud:config:{key}")
    return found or (os.environ.get(variable) if variable else None)


def _failure(reason: str, where: str) -> Failure:
    return Failure("", f"could not validate provider configuration: {reason}. Examine values at '{where}'.")
