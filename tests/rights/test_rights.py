"""The rights matrix: every root field as every persona, through the whole service."""

from typing import Any

import pytest

from app.domain.enums import AuditAction, Role
from app.domain.roles import DEFAULT_ROLES_THAT_SEND
from tests.rights.documents import Call, Filling, object_type
from tests.rights.table import POLICIES, RIGHTS, SENDING, SUBJECTS, Outcome, Persona, Right
from tests.rights.world import Families, entries
from tests.schema.sockets import Socket

pytestmark = pytest.mark.anyio

DONE = {"sendInvites": "SendInvitesSuccess", "sendTest": "SendInvitesSuccess"}
"""What sends answer when they are allowed and done: their refusals are no errors."""


def test_every_root_field_has_its_line() -> None:
    roots = {f"{root}.{name}" for root in ("Query", "Mutation", "Subscription") for name in object_type(root).fields}
    assert {right.name for right in RIGHTS} == roots


async def test_the_table(world: Families) -> None:
    known = await entries(world.service.db)
    for right in RIGHTS:
        for persona in Persona:
            outcome = await attempt(world, right, persona)
            assert outcome is right.expected(persona), (right, persona)
            kept = await entries(world.service.db, known)
            known += kept
            refused = {Outcome.FORBIDDEN: world.asha.workspace, Outcome.NOT_FOUND: None}
            if outcome in refused:
                (entry,) = kept
                assert entry.action in {AuditAction.ACCESS_REFUSED, AuditAction.INVITE_SEND_REFUSED}
                assert f"({SUBJECTS[persona]})" in entry.actor_text
                assert (entry.workspace_id, bool(entry.target_id)) == (refused[outcome], True), (right, persona)
            elif outcome is not Outcome.ALLOWED:
                assert kept == [], (right, persona)


@pytest.mark.parametrize("policy", ["widened", "narrowed"])
async def test_the_send_policy(world: Families, policy: str) -> None:
    roles = POLICIES[policy]
    given = {"SetSendPolicyInput.rolesThatSend": [role for role in Role if role in roles]}
    change = Right("Mutation.setSendPolicy", SENDING[0].needs, given=given)
    assert await attempt(world, change, Persona.OWNER) is Outcome.ALLOWED
    for right in SENDING:
        for persona in Persona:
            assert await attempt(world, right, persona) is right.expected(persona, roles), (right, persona)


def test_the_policies_differ() -> None:
    def allowed(roles: frozenset[Role]) -> set[Persona]:
        return {each for each in Persona if SENDING[0].expected(each, roles) is Outcome.ALLOWED}

    owner, admin, coordinator = Persona.OWNER, Persona.PARENT_ADMIN, Persona.FAMILY_COORDINATOR
    assert allowed(DEFAULT_ROLES_THAT_SEND) == {owner, admin}
    assert allowed(POLICIES["widened"]) == {owner, admin, coordinator}
    assert allowed(POLICIES["narrowed"]) == {owner}


async def attempt(world: Families, right: Right, persona: Persona) -> Outcome:
    root, name = right.name.split(".")
    query = Call(root, (name,)).document(Filling(world.asha, given=right.given))
    if root == "Subscription":
        return await watch(world, query, persona)
    answer = await world.service.answer(query, by=SUBJECTS[persona])
    outcome = outcome_of(answer, name)
    if outcome is Outcome.ALLOWED and name in DONE:
        assert answer["data"][name]["__typename"] == DONE[name], answer
    return outcome


async def watch(world: Families, query: str, persona: Persona) -> Outcome:
    subject = SUBJECTS[persona]
    async with Socket(world.service.app, world.service.token(subject) if subject else None) as socket:
        if subject is None:
            await socket.send({"type": "connection_init"})
            assert await socket.closed() == 4403
            return Outcome.UNAUTHENTICATED
        await socket.subscribe("1", query)
        return outcome_of((await socket.until("next"))["payload"], "sendRunProgress")


def outcome_of(answer: dict[str, Any], name: str) -> Outcome:
    if "errors" in answer:
        (code,) = {error["extensions"]["code"] for error in answer["errors"]}
        return Outcome(code)
    return Outcome.NULL if answer["data"][name] is None else Outcome.ALLOWED
