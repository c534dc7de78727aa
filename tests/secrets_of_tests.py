"""The secrets that tests use, so that the suite can look for them in what it logs."""

from typing import Final

ALL: Final = (
    "only-for-tests-only-for-tests",
    "a secret of the tests, long enough for them",
    "the app secret of the tests",
    "token-for-tests",
    "secret-for-tests",
    "token-of-the-tests",
    "token-of-the-simulator",
    "app-secret-of-the-simulator",
    "EAAtoken+secret/x",
    "a key for erasing, of the tests only",
)
