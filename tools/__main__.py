"""`farshore`: what a person types."""

from __future__ import annotations

import typer

from tools.gateway import app as gateway
from tools.host_keys import host_keys
from tools.init import init
from tools.lab import app as lab
from tools.operator import app as operator
from tools.plan import plan
from tools.recover import recover
from tools.repair import repair, repair_lab
from tools.replace import replace, resize
from tools.rotate import rotate
from tools.status import status

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_show_locals=False, help=__doc__)
lab.command("repair")(repair_lab)
app.add_typer(lab, name="lab")
app.add_typer(operator, name="operator")
app.add_typer(gateway, name="gateway")
app.command("repair")(repair)
app.command("host-keys")(host_keys)
app.command("recover")(recover)
app.command("rotate")(rotate)
app.command("status")(status)
app.command("replace")(replace)
app.command("resize")(resize)
app.command("plan")(plan)
app.command("init")(init)

if __name__ == "__main__":
    app()
