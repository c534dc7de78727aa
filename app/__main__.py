"""``python -m app`` is ``invites``."""

from app.cli import main

# A worker process of `serve --workers` imports this module again under another name.
if __name__ == "__main__":
    main(prog_name="invites")
