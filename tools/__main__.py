"""`farshore`: what a person types."""

from __future__ import annotations

import typer

from tools.lab import app as lab

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_show_locals=False, help=__doc__)
app.add_typer(lab, name="lab")

if __name__ == "__main__":
    app()
