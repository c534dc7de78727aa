"""Downloads: every message with what became of it, for whoever may have them, and in parts."""

import csv
import io
from typing import Any

import pytest
import sqlalchemy as sa

from app.db.engine import Database, UnitOfWork
from app.db.tables import AuditRow, MemberRow
from app.domain.csv_lines import lines, safe
from app.domain.enums import AuditAction
from app.domain.errors import NotFoundError
from app.domain.guest_list import parse_csv
from app.services import exports
from app.services.base import Actor
from app.services.exports import HEADER
from tests.schema.service import Service, serving, wedding

pytestmark = pytest.mark.anyio


async def download(service: Service, path: str, by: str = "anita") -> tuple[int, list[dict[str, str]]]:
    response = await service.http.get(path, headers=service.headers(by))
    if response.status_code != 200:
        return response.status_code, []
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-disposition"] == f'attachment; filename="{path.rpartition("/")[2]}"'
    text = response.content.decode("utf-8-sig")
    assert response.content.startswith(b"\xef\xbb\xbf")
    assert text.count("\r\n") == text.count("\n")
    return 200, list(csv.DictReader(io.StringIO(text, newline="")))


async def test_a_run_is_downloaded_with_all_that_is_known(idle: Service) -> None:
    made = await wedding(idle)
    run = await made.send()
    status, rows = await download(idle, f"/exports/runs/{run}.csv")
    assert status == 200
    assert [tuple(row) for row in rows] == [HEADER] * len(rows)
    query = """query($r: ID!) { sendRun(id: $r) { messages { nodes {
        id recipientName phone state rejection { reason } sources { guestUnit { name } } } } } }"""
    told = (await idle.data(query, {"r": run}))["sendRun"]["messages"]["nodes"]
    assert [
        (row["message_id"], row["recipient"], row["phone"], row["state"], row["rejection_reason"], row["households"])
        for row in rows
    ] == [
        (
            each["id"], each["recipientName"], safe(each["phone"] or ""), each["state"], (each["rejection"] or {"reason": ""})["reason"],
            "; ".join(source["guestUnit"]["name"] for source in each["sources"]),
        )
        for each in told
    ]  # fmt: skip
    assert {row["run_id"] for row in rows} == {run}
    assert all(row["planned_at"].endswith("Z") and not row["read_at"] for row in rows)


PRECHECK = "query($i: PrecheckSendInput!) { precheckSend(input: $i) { token } }"
SEND = (
    """mutation($t: String!) { sendInvites(input: {precheckToken: $t}) { ... on SendInvitesSuccess { run { id } } } }"""
)


async def test_an_event_is_downloaded_run_by_run_and_in_parts(idle: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await wedding(idle)
    first = await made.send()
    token = (await idle.data(PRECHECK, {"i": made.request() | {"includeAlreadyInvited": True}}))["precheckSend"][
        "token"
    ]
    runs = [first, (await idle.data(SEND, {"t": token}))["sendInvites"]["run"]["id"]]
    whole = (await download(idle, f"/exports/events/{made.event}.csv"))[1]
    alone = [row for run in runs for row in (await download(idle, f"/exports/runs/{run}.csv"))[1]]
    assert whole == alone
    assert len({row["message_id"] for row in whole}) == len(whole) > 2
    monkeypatch.setattr(exports, "PAGE", 1)
    assert (await download(idle, f"/exports/events/{made.event}.csv"))[1] == whole


async def test_each_download_is_audited(idle: Service) -> None:
    made = await wedding(idle)
    run = await made.send()
    await download(idle, f"/exports/runs/{run}.csv")
    await download(idle, f"/exports/events/{made.event}.csv")

    async def unit(uow: UnitOfWork) -> list[Any]:
        entries = (await uow.session.scalars(sa.select(AuditRow).order_by(AuditRow.id))).all()
        return [(each.target_id, each.run_id) for each in entries if each.action is AuditAction.EXPORT]

    assert await idle.db.read(unit) == [(run, run), (made.event, None)]


@pytest.mark.parametrize(
    "path", ["runs/run_x.csv", "runs/{run}", "runs/{run}.xlsx", "events/{run}.csv", "runs/{event}.csv"]
)
async def test_what_is_no_download(idle: Service, path: str) -> None:
    made = await wedding(idle)
    response = await idle.http.get(
        f"/exports/{path.format(run=await made.send(), event=made.event)}", headers=idle.headers("anita")
    )
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (404, "NOT_FOUND")


async def test_who_may_not_download(idle: Service) -> None:
    made = await wedding(idle)
    run = await made.send()
    path = f"/exports/runs/{run}.csv"
    nobody = await idle.http.get(path)
    assert (nobody.status_code, nobody.json()["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")
    assert (await download(idle, path, by="mallory"))[0] == 404
    in_url = await idle.http.get(f"{path}?access_token={idle.headers('asha')['Authorization'].split()[1]}")
    assert in_url.status_code == 400


async def test_downloads_count_for_the_rate_limit(db: Database) -> None:
    async with serving(db, dispatch=False, mutations_per_minute=1) as service:
        answers = [await service.http.get("/exports/runs/x.csv", headers=service.headers()) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [404, 429]
    extensions = answers[1].json()["errors"][0]["extensions"]
    assert (extensions["code"], extensions["retryAfter"] > 0) == ("RATE_LIMITED", True)


async def test_a_download_breaks_off_for_whoever_is_removed_meanwhile(
    idle: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a file that looks whole would be worse."""
    monkeypatch.setattr(exports, "PAGE", 1)
    made = await wedding(idle)
    run = await made.send()
    parts = await idle.app.state["running"].use().exports.run(Actor("anita", "Anita"), run)
    assert (await anext(parts)).startswith("\ufeffmessage_id,")
    assert run in await anext(parts)

    async def unit(uow: UnitOfWork) -> None:
        await uow.session.execute(sa.update(MemberRow).values(active=False))

    await idle.db.write(unit)
    with pytest.raises(NotFoundError):
        await anext(parts)


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+919876543210", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1+1", "\uff20A1", '=HYPERLINK("x")'],
)
def test_no_cell_is_a_formula(cell: str) -> None:
    (line,) = csv.reader(io.StringIO(lines([[cell, f"x{cell}"]]), newline=""))
    assert line == [f"'{cell}", f"x{cell}"]


def test_what_was_downloaded_can_be_imported_again() -> None:
    (row,) = parse_csv(lines([["name", "phone"], ["Anita", "+919876543210"]]))
    assert row.phone is not None
    assert row.phone.lstrip("'") == "+919876543210"
