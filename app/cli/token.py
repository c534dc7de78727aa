"""``invites token``."""

from datetime import timedelta

import click

from app.auth import issue_token
from app.cli.running import settings_from_env
from app.domain.text import MAX_SUBJECT, is_subject


@click.command("token", epilog="Example: invites token --user asha@example.org --name 'Asha Nair' --days 7")
@click.option("--user", "subject", required=True, help="Who the token speaks for: the subject of a member.")
@click.option("--name", help="The name that others see; the subject when left out.")
@click.option("--days", type=click.IntRange(1, 366), default=1, show_default=True, help="How long it holds.")
def token_command(subject: str, name: str | None, days: int) -> None:
    """Print a token for a user, and nothing else.

    Send it as "Authorization: Bearer TOKEN". What its user may do is decided by the workspaces, not by the token.
    """
    if not is_subject(subject):
        raise click.BadParameter(
            f"give 1 to {MAX_SUBJECT} visible characters without spaces around them.", param_hint="--user"
        )
    settings = settings_from_env()
    if settings.auth_jwks_url is not None:
        raise click.ClickException(
            "Tokens come from your own sign-in, since AUTH_JWKS_URL is set: one made here would be refused."
        )
    click.echo(issue_token(settings, subject, name, timedelta(days=days)))
