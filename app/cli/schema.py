"""``invites export-schema``."""

import difflib
from pathlib import Path

import click


@click.command("export-schema", epilog="Example: invites export-schema --check schema.graphql")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when FILE differs from the schema.")
def export_schema_command(file: Path | None, *, check: bool) -> None:
    """Write the GraphQL schema to FILE, or print it.

    With --check FILE is schema.graphql unless another one is named.
    """
    from app.schema import schema_sdl

    sdl = schema_sdl()
    if not check:
        if file is None:
            click.echo(sdl, nl=False)
        else:
            file.write_text(sdl, encoding="utf-8")
        return
    file = file or Path("schema.graphql")
    kept = file.read_text(encoding="utf-8") if file.exists() else ""
    if kept != sdl:
        changes = difflib.unified_diff(kept.splitlines(), sdl.splitlines(), str(file), "the code", lineterm="", n=1)
        click.echo("\n".join(changes), err=True)
        raise click.ClickException(f"{file} is not the schema of the code. Run: invites export-schema {file}")
