"""Settings: what is read, what is refused with one clear line, and that no secret shows itself."""

import re
import secrets
from pathlib import Path
from random import Random

import pytest

from app.config import Secret, Settings, SettingsError, described, settings_table

SECRET = "only-for-tests: and thirty-two by"[:32]
ENV = {"AUTH_SECRET": SECRET}


def read(**env: str) -> Settings:
    return Settings.from_env(ENV | env)


def test_defaults() -> None:
    assert read() == Settings(auth_secret=Secret(SECRET))
    assert read(PORT="", SEND_RATE="  ") == read(), "empty is not set"
    assert read(PATH="/bin") == read(), "what is none of ours is left alone"


@pytest.mark.parametrize(
    "env", [{}, {"AUTH_SECRET": ""}, {"AUTH_SECRET": SECRET[:31]}, {"AUTH_SECRET": f"  {SECRET[:31]}  "}]
)
def test_a_missing_or_weak_secret_stops_the_start(env: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"^AUTH_SECRET .*32 bytes[^\n]*$") as refused:
        Settings.from_env(env)
    assert SECRET[:31] not in str(refused.value)


@pytest.mark.parametrize(
    "secret",
    ["a" * 64, "ab" * 16, "abcde" + "e" * 40, "password" * 4, "0123456789abcdef" * 2, SECRET * 2, (SECRET + "!") * 3],
)
def test_a_long_secret_may_still_be_weak(secret: str) -> None:
    with pytest.raises(SettingsError, match=r"^AUTH_SECRET must be random: [^\n]*token_urlsafe\(48\)") as refused:
        read(AUTH_SECRET=secret)
    assert secret not in str(refused.value)


def test_random_secrets_are_strong() -> None:
    digits = Random(1)
    for _ in range(200):
        made = [secrets.token_urlsafe(48), secrets.token_hex(16), "".join(digits.choices("0123456789", k=32))]
        assert [read(AUTH_SECRET=each).auth_secret.reveal() for each in made] == made


@pytest.mark.parametrize("key", ["x" * 40, "abcde" * 8, "a-secret-of-" * 4])
def test_the_key_of_new_erasures_is_random(key: str) -> None:
    with pytest.raises(SettingsError, match=r"^ERASURE_SECRET must be random: [^\n]*token_urlsafe\(48\)") as refused:
        read(ERASURE_SECRET=key)
    assert key not in str(refused.value)
    assert len(read(ERASURE_SECRET=f"{SECRET},{key}").erasure_keys) == 2, "an old one cannot be chosen any more"


def test_every_auth_secret_can_become_an_old_key_of_erasures() -> None:
    """Once it is changed, what was erased under it is found by it alone."""
    with pytest.raises(SettingsError, match=r"^AUTH_SECRET must have no comma in it; [^\n]*$"):
        read(AUTH_SECRET=f"{SECRET},{SECRET[::-1]}")
    new = "n" + SECRET
    assert read().erasure_keys == (SECRET.encode(),)
    for between in (",", ", ", " ,"):
        after = read(AUTH_SECRET=new, ERASURE_SECRET=f"{new}{between}{SECRET}")
        assert after.erasure_keys == (new.encode(), SECRET.encode())


def test_bytes_count_and_not_characters() -> None:
    secret = "éàüöñçøåþðßæœłžš"
    assert read(AUTH_SECRET=secret).auth_secret.reveal() == secret


SIGN_IN = {"AUTH_JWKS_URL": "https://sign-in.example/keys", "AUTH_ISSUER": "i", "AUTH_AUDIENCE": "a"}


def test_a_sign_in_of_ones_own_needs_issuer_and_audience() -> None:
    assert read(**SIGN_IN).auth_jwks_url == "https://sign-in.example/keys"
    for lacking in ("AUTH_ISSUER", "AUTH_AUDIENCE"):
        with pytest.raises(SettingsError, match=rf"^{lacking} is not set\. With AUTH_JWKS_URL [^\n]*$"):
            read(**SIGN_IN | {lacking: " "})
    with pytest.raises(SettingsError, match=r"^AUTH_SECRET is not set"):
        Settings.from_env(SIGN_IN)


@pytest.mark.parametrize(
    "url", ["https://a.example/keys?p=policy", "http://127.0.0.1:9000/keys", "http://[::1]/k", "http://localhost/k"]
)
def test_addresses_of_keys(url: str) -> None:
    assert read(**SIGN_IN | {"AUTH_JWKS_URL": url}).auth_jwks_url == url


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://u:p%40ss@h:5432/n", "postgresql+asyncpg://u:p%40ss@h:5432/n"),
        ("postgresql://h/n?sslmode=require", "postgresql+asyncpg://h/n?ssl=require"),
        ("postgresql+asyncpg://h/n", "postgresql+asyncpg://h/n"),
        ("postgresql://postgres:@/n?host=/tmp/pg", "postgresql+asyncpg://postgres:@/n?host=%2Ftmp%2Fpg"),
        ("sqlite:///a.db", "sqlite+aiosqlite:///a.db"),
        ("sqlite:////var/a.db", "sqlite+aiosqlite:////var/a.db"),
        ("sqlite+aiosqlite:///a.db", "sqlite+aiosqlite:///a.db"),
    ],
)
def test_database_urls(given: str, used: str) -> None:
    assert read(DATABASE_URL=given).database_url == used


REFUSED = {
    "DATABASE_URL": ["mysql://h/n", "sqlite://", "sqlite:///:memory:", "x", "postgresql+psycopg://h/n"],
    "META_GRAPH_VERSION": ["26.0", "v26", "v26.0/../v1", "latest", "v٢٦.0"],
    "META_GRAPH_URL": ["graph.facebook.com", "http://graph.facebook.com", "https://x/?a=1", "ftp://x", "http://"],
    "AUTH_JWKS_URL": [
        "http://sign-in.example/keys",
        "keys",
        "file:///keys",
        "https://",
        "https://a/keys#1",
        "https://user:x@a/keys",
        "http://127.0.0.1.a.example/keys",
        "https://a:b/keys",
        "https://a/ü",
        "https://a/\x01",
    ],
    "META_PHONE_NUMBER_ID": ["../1", "12 3", "+1", "x", "٣"],
    "META_WABA_ID": ["x"],
    "META_ACCESS_TOKEN": ["a b", "a\nb", "é"],
    "SEND_RATE": ["0", "-1", "x", "nan", "inf", "1001"],
    "SEND_CONCURRENCY": ["0", "1.5", "501", "x", "1e1"],
    "SEND_TIMEOUT": ["0", "121", "nan"],
    "UNCONFIRMED_AFTER": ["0", "x"],
    "STOP_WORDS": [",", "x" * 41, "..."],
    "PORT": ["-1", "65536", "x", "9" * 5000],
    "GRAPHIQL": ["maybe", "2"],
    "GRAPHIQL_TOKENS": ["x", "a.b.c,", "a.b.c,a b.c.d", '">.b.c'],
    "DISPATCH": ["x"],
    "ALLOWED_ORIGINS": ["*", "console.example", "https://a.example/path"],
    "LOG_LEVEL": ["LOUD"],
    "LOG_FORMAT": ["xml"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_what_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(**{name: value})
    text = str(refused.value)
    assert text.startswith(f"{name} must ")
    assert "\n" not in text
    assert len(text) < 200


def test_a_page_signs_everybody_in_on_this_machine_and_with_a_simulator_only() -> None:
    demo = {"GRAPHIQL_TOKENS": "a.b.c, d.e.f", "META_GRAPH_URL": "http://127.0.0.1:9000"}
    assert read(**demo).page_tokens == ("a.b.c", "d.e.f")
    assert read().page_tokens == ()
    for spoilt in ({"META_GRAPH_URL": "https://graph.facebook.com"}, {"HOST": "192.0.2.1"}):
        with pytest.raises(SettingsError, match="signs in whoever opens the page"):
            read(**demo | spoilt)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql://user:x@y:hunter2@127.0.0.1/db"),
        ("DATABASE_URL", "postgresql://user:x@hunter2@127.0.0.1/db"),
        ("DATABASE_URL", "postgresql://user:x@y/hunter2@127.0.0.1/db"),
        ("DATABASE_URL", "postgresql://127.0.0.1:hunter2/db"),
        ("DATABASE_URL", "postgresql://127.0.0.1/db?port=hunter2"),
        ("DATABASE_URL", "postgresql://127.0.0.1/db?hunter2=1"),
        ("META_GRAPH_URL", "https://[hunter2"),
        ("META_GRAPH_URL", "https://graph.facebook.com:hunter2"),
        ("AUTH_JWKS_URL", "https://a:hunter2@b/keys"),
    ],
)
def test_a_url_that_cannot_be_taken_apart_is_not_quoted(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must ") as refused:
        read(**{name: value})
    assert "hunter2" not in str(refused.value)
    if name == "DATABASE_URL" and "@" in value:
        assert "percent-encoded" in str(refused.value)


def test_what_is_taken() -> None:
    chosen = read(
        META_GRAPH_URL="http://127.0.0.1:9000/", SEND_RATE="0.5", PORT="0", GRAPHIQL="On", DISPATCH="no",
        LOG_LEVEL="debug", LOG_FORMAT="PLAIN", STOP_WORDS="Stop, बंद ", ALLOWED_ORIGINS="https://a.example/, http://localhost:3000",
    )  # fmt: skip
    assert chosen.meta_graph_url == "http://127.0.0.1:9000"
    assert (chosen.send_rate, chosen.port, chosen.graphiql, chosen.dispatch) == (0.5, 0, True, False)
    assert (chosen.log_level, chosen.log_format) == ("DEBUG", "plain")
    assert chosen.stop_words == ("Stop", "बंद")
    assert chosen.allowed_origins == ("https://a.example", "http://localhost:3000")


def test_whether_it_is_meta_and_whether_it_can_send() -> None:
    assert not read().simulated
    assert read(META_GRAPH_URL="http://localhost:9000").simulated
    assert not read(META_PHONE_NUMBER_ID="1").provider_configured
    assert read(META_PHONE_NUMBER_ID="1", META_ACCESS_TOKEN="t").provider_configured


def test_two_app_secrets_while_one_is_being_changed() -> None:
    assert read().app_secrets == ()
    assert read(META_APP_SECRET="one").app_secrets == ("one",)
    assert read(META_APP_SECRET="new, old").app_secrets == ("new", "old")
    for wrong in ("hidden,", ",hidden", "hidden,,", "hidden,b,c"):
        with pytest.raises(SettingsError, match=r"^META_APP_SECRET must be one secret, or two with a comma") as refusal:
            read(META_APP_SECRET=wrong)
        assert "hidden" not in str(refusal.value)


def test_no_secret_shows_itself() -> None:
    hidden = {
        name: f"{name}-{'hidden' * 6}"
        for name in ("AUTH_SECRET", "META_ACCESS_TOKEN", "META_APP_SECRET", "META_VERIFY_TOKEN")
    }
    chosen = read(DATABASE_URL="postgresql://u:hidden@h/n", **hidden)
    for shown in (
        repr(chosen),
        str(chosen),
        f"{chosen.auth_secret}",
        repr(vars(Settings)),
        f"{chosen.meta_app_secret!s}",
    ):
        assert "hidden" not in shown
    assert chosen.meta_app_secret is not None
    assert chosen.meta_app_secret.reveal() == hidden["META_APP_SECRET"]


def test_settings_are_documented() -> None:
    page = (Path(__file__).parents[1] / "docs" / "settings.md").read_text()
    assert settings_table() in page, "docs/settings.md is out of date"
    # What the notes below the table speak of exists.
    known = {name.upper() for name, _, _ in described()}
    assert set(re.findall(r"^- `([A-Z_]+)`", page, re.MULTILINE)) <= known
