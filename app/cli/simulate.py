"""``invites simulate-meta``."""

import ast
import inspect
import secrets
import textwrap
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, Final, get_type_hints

import click
from click.core import ParameterSource

from app import logs
from app.cli.server import address_of, listen, run_here
from app.whatsapp.simulator import Answer, SimulatorOptions, create_simulator

_ENVIRONMENT: Final = {
    "phone_number_id": "META_PHONE_NUMBER_ID",
    "waba_id": "META_WABA_ID",
    "access_token": "META_ACCESS_TOKEN",
    "app_secret": "META_APP_SECRET",
}
"""What the simulator and the service must agree on: read from the service's own settings where these are set."""
_NAMES: Final = {"fail_codes": "--fail", "refuse_codes": "--refuse"}
_LEFT_OUT: Final = frozenset({"templates", "scripts"})
"""No value of a command line; scripts go to a running simulator, see POST /_simulator/scripts."""


class Share(click.ParamType[Any]):
    """``131026=0.03``."""

    name = "code=share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        code, _, share = str(value).partition("=")
        try:
            return int(code), float(share)
        except ValueError:
            self.fail("give a code of Meta's and a share from 0 to 1, such as 131026=0.03.", param, ctx)


def _described(described: type) -> dict[str, str]:
    """The docstrings under the fields or members of a class: they are the help."""
    (cls,) = ast.parse(textwrap.dedent(inspect.getsource(described))).body
    assert isinstance(cls, ast.ClassDef)
    texts = {}
    for one, following in zip(cls.body, cls.body[1:], strict=False):
        match one, following:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                texts[name] = " ".join(text.replace("``", "").split())
    return texts


def _scripts_help() -> str:
    """The answers that a script may ask for, in a paragraph that click is told not to wrap."""
    answers = "\n".join(f"{name:<12}{text}" for name, text in _described(Answer).items())
    return (
        "What exactly the next requests for one guest get is told to the running simulator: POST /_simulator/scripts "
        'with the same token, {"+16505550101": [{"answer": "ERROR_JSON", "code": 131000}, {"answer": "OK"}]}. '
        "The answers are:\n\n\b\n"
        f"{answers}\n\n"
        "More of a step: accepted (true or false), twice (Meta takes it under two ids), statuses (what follows)."
    )


def _option(each: "Field[Any]", hint: Any, text: str) -> Callable[[Any], Any]:
    flag = _NAMES.get(each.name, f"--{each.name.replace('_', '-')}")
    if each.name in _NAMES.values() or each.name in _NAMES:
        return click.option(flag, each.name, type=Share(), multiple=True, help=f"{text} May be repeated.")
    if hint is bool:
        return click.option(flag, each.name, is_flag=True, help=text)
    kinds: dict[Any, Any] = {int: int, float: float, float | None: float, Path | None: click.Path(path_type=Path)}
    return click.option(
        flag,
        each.name,
        type=kinds.get(hint, str),
        default=None if each.default is MISSING else each.default,
        show_default=each.default not in {MISSING, None},
        envvar=_ENVIRONMENT.get(each.name),
        show_envvar=True,
        help=text,
    )


def _options(command: Callable[..., None]) -> Callable[..., None]:
    texts, hints = _described(SimulatorOptions), get_type_hints(SimulatorOptions)
    for each in reversed(fields(SimulatorOptions)):
        if each.name not in _LEFT_OUT:
            command = _option(each, hints[each.name], texts.get(each.name, ""))(command)
    return command


@click.command(
    "simulate-meta",
    epilog="Example: invites simulate-meta --webhook-url http://127.0.0.1:8000/webhooks/whatsapp --duplicates 0.2 "
    f"--disorder 1 --fail 131026=0.03\n\n{_scripts_help()}",
)
@click.option("--port", type=click.IntRange(0, 65535), default=9000, show_default=True, help="0 takes any free one.")
@_options
@click.pass_context
def simulate_meta_command(ctx: click.Context, /, port: int, **values: Any) -> None:
    """Play Meta's side on this machine.

    Takes sends, checks them as Meta does, posts signed statuses to the webhook, and counts what it really accepted.
    Prints the settings with which the service talks to it. A share is a number from 0 to 1, a time is in seconds.
    """
    for name in _NAMES:
        values[name] = dict(values[name])
    for name in ("access_token", "app_secret"):
        values[name] = values[name] or secrets.token_urlsafe(24)
    options = SimulatorOptions(**values)
    logs.configure("WARNING", "plain")
    # Loopback only: its control routes show whole phone numbers.
    with listen("127.0.0.1", port) as listening:
        app = create_simulator(options)
        run_here(app, listening, lambda: _tell(ctx, options, address_of(listening)))


def _tell(ctx: click.Context, options: SimulatorOptions, address: str) -> None:
    click.echo(f"# Simulating Meta on {address}. For the service, in its shell:")
    click.echo(f"export META_GRAPH_URL={address}")
    for name, variable in _ENVIRONMENT.items():
        # What came from the environment is known there, and may be a real secret.
        if ctx.get_parameter_source(name) is not ParameterSource.ENVIRONMENT:
            click.echo(f"export {variable}={getattr(options, name)}")
    if options.webhook_url is None:
        click.echo("# Without --webhook-url no status is posted.")
