"""The building room: a finished plan as Pulumi resources. Nothing is decided here.

`Deployment` is a library as well: somebody else's Pulumi program may make one from a plan of its own.
"""

from components.deployment import Deployment
from components.reading import find_standing, read_stack, refusing

__all__ = ["Deployment", "find_standing", "read_stack", "refusing"]
