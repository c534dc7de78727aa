"""What the operator is told about an error that is no fault of the program."""

from app.config import SettingsError
from app.db.migrate import MigrationError
from app.domain.errors import AppError
from app.services.failures import database_is_away


def sentence_of(error: Exception) -> str | None:
    """The one line for an expected error; None for one that has to be seen with its traceback."""
    match error:
        case AppError():
            return error.message
        case SettingsError() | MigrationError():
            return str(error)
        case _ if database_is_away(error):
            # The driver's own message may hold the address with its password.
            return (
                f"The database cannot be used ({type(error).__name__}). See that it runs, that DATABASE_URL is right "
                "(database or file, user, password), and that this user may write there; then try again."
            )
    return None
