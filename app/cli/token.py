"""``invites token``."""

from datetime import timedelta
from urllib.parse import urlsplit

import click

from app.auth import issue_token
from app.cli.running import settings_from_env
from app.config import Settings
from app.domain.text import MAX_SUBJECT, is_subject


@click.command("token", epilog="Example: invites token --user asha@example.org --name 'Asha Nair' --days 7")
@click.option("--user", "subject", required=True, help="Who the token speaks for: the subject of a member.")
@click.option("--name", help="The name that others see; the subject when left out.")
@click.option("--days", type=click.IntRange(1, 366), default=1, show_default=True, help="How long it holds.")
@click.option(
    "--link", is_flag=True, help="A link that signs in to the console or GraphiQL; as secret as the token in it."
)
@click.option("--at", "address", help="Where browsers reach the service, for the link.  [default: HOST and PORT]")
def token_command(subject: str, name: str | None, days: int, address: str | None, *, link: bool) -> None:
    """Print a token for a user, and nothing else.

    Send it as "Authorization: Bearer TOKEN". What its user may do is decided by the workspaces, not by the token.
    With --link it is behind the # of a web address: a browser keeps that to itself, and the page takes it out at once.
    """
    if address is not None and not link:
        raise click.UsageError("--at is where a link leads, so it needs --link.")
    if not is_subject(subject):
        raise click.BadParameter(
            f"give 1 to {MAX_SUBJECT} visible characters without spaces around them.", param_hint="--user"
        )
    settings = settings_from_env()
    if settings.auth_jwks_url is not None:
        raise click.ClickException(
            "Tokens come from your own sign-in, since AUTH_JWKS_URL is set: one made here would be refused."
        )
    token = issue_token(settings, subject, name, timedelta(days=days))
    click.echo(f"{_page(settings, address)}#token={token}" if link else token)


def _page(settings: Settings, address: str | None) -> str:
    """The console, or else GraphiQL. Raises BadParameter, and ClickException where there is neither."""
    if not (settings.console or settings.graphiql):
        raise click.ClickException(
            "There is no page to sign in to. Set CONSOLE=on or GRAPHIQL=on for the service and for this command."
        )
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    base = (address or f"http://{host}:{settings.port}").rstrip("/")
    if urlsplit(base).scheme not in {"http", "https"} or "#" in base:
        raise click.BadParameter("give an address like https://invites.example.org.", param_hint="--at")
    return f"{base}/{'console' if settings.console else 'graphql'}"
