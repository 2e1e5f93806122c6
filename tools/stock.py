"""Whether an account can give a server of a type, an image and a place, before anything is deleted for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from hcloud import APIException, Client

from plan.faults import Fault, choices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcloud.deprecation import DeprecationInfo
    from hcloud.server_types import BoundServerType

    from plan import Host

REQUEST_WITHIN_S: Final = 60.0


class StockError(Exception):
    """What is wanted can't be had; the text has a line for each reason."""


class Stock:
    """What one account's provider has.

    Args:
        account: Its name in the stack file.
        token: Opens it; kept here and shown nowhere.
        endpoint: Address of the API.
    """

    def __init__(self, account: str, *, token: str, endpoint: str) -> None:
        self._account = account
        self._client = Client(
            token=token, api_endpoint=endpoint, application_name="farshore-stock", timeout=REQUEST_WITHIN_S
        )

    def require(self, host: Host, *, resized: str = "") -> None:
        """See that a server of a host's could be ordered now, or that the one that stands could have another size.

        Args:
            host: The plan's.
            resized: Type that the server which stands shall have; empty for a new server.

        Raises:
            StockError: It could not, or nobody can tell.
        """
        try:
            faults = tuple(self._resizing(host, resized) if resized else ())
            faults = faults or tuple(self._lacks(host, resized or host.server_type))
        except APIException as error:
            raise StockError(f"account {self._account}: {error.message} ({error.code}), allowed: an answer") from error
        except OSError as error:
            raise StockError(f"account {self._account}: no answer ({type(error).__name__}), allowed: one") from error
        if faults:
            raise StockError("\n".join(str(fault) for fault in faults))

    def _lacks(self, host: Host, name: str) -> Iterator[Fault]:
        known = {str(one.name): one for one in self._client.server_types.get_all()}
        kind = known.get(name)
        if kind is None:
            fitting = [other for other, one in known.items() if _is_sold(one, host.location)]
            yield Fault(f"{host.key}.server_type", repr(name), _listed(fitting), "choose one that there is")
            return
        if not _is_sold(kind, host.location):
            fitting = [
                other
                for other, one in known.items()
                if one.architecture == kind.architecture and _is_sold(one, host.location)
            ]
            yield Fault(
                f"{host.key}.server_type",
                f"{name!r} is not to be had in {host.location} now",
                _listed(fitting),
                "wait, or choose another type",
            )
        image = self._client.images.get_by_name_and_architecture(
            host.image, str(kind.architecture), include_deprecated=True
        )
        if image is None or image.status != "available":
            yield Fault(f"{host.key}.image", repr(host.image), "an image that the provider has", "choose another")

    def _resizing(self, host: Host, name: str) -> Iterator[Fault]:
        """Yield what keeps the server that stands from having another type."""
        selector = f"farshore-stack={host.stack},farshore-host={host.name}"
        for server in self._client.servers.get_all(label_selector=selector):
            has_gb, own = server.primary_disk_size or 0, server.server_type
            fitting = {
                str(one.name): one
                for one in self._client.server_types.get_all()
                if own is not None and one.architecture == own.architecture and (one.disk or 0) >= has_gb
            }
            if name not in fitting:
                sold = [other for other, one in fitting.items() if _is_sold(one, host.location)]
                where, found = (
                    f"{host.key}.server_type",
                    f"{name!r} for a {own and own.architecture} disk of {has_gb} GB",
                )
                yield Fault(where, found, _listed(sold), "choose one, or replace the host")
            return
        yield Fault(host.key, "no server", "one that stands", "deploy it first")


def _listed(fitting: list[str]) -> str:
    return choices(fitting) if fitting else "none, everything is sold out there"


def _is_sold(kind: BoundServerType, location: str) -> bool:
    """Tell whether a type can be ordered in a location today."""
    return any(
        place.location.name == location and place.available is not False and not _is_over(place.deprecation)
        for place in kind.locations or ()
    )


def _is_over(deprecation: DeprecationInfo | None) -> bool:
    end = deprecation.unavailable_after if deprecation else None
    return end is not None and end <= datetime.now(UTC)
