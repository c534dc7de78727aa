"""Who may do what, one line per root field and case that matters. ``docs/rights.md`` is printed from it:
``python -m tests.rights.table > docs/rights.md``, when the table has changed.

The permissions behind a line come from ``app.domain.roles``; the tests run every line as every persona.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from app.domain.enums import Permission, Role
from app.domain.roles import DEFAULT_ROLES_THAT_SEND, MANAGES, permissions
from tests.rights.documents import object_type


class Persona(StrEnum):
    """From the least to the most powerful: what is refused first has changed nothing for those who come after."""

    NOBODY = "no token"
    STRANGER = "another workspace"
    FORMER = "former member"
    FAMILY_COORDINATOR = "FAMILY_COORDINATOR"
    PARENT_ADMIN = "PARENT_ADMIN"
    OWNER = "OWNER"

    @property
    def role(self) -> Role | None:
        """None for those who are no members."""
        return Role(self.name) if self.name in Role.__members__ else None


SUBJECTS: dict[Persona, str | None] = {
    Persona.NOBODY: None,
    Persona.STRANGER: "meera",
    Persona.FORMER: "asha-gone",
    Persona.FAMILY_COORDINATOR: "asha-coordinator",
    Persona.PARENT_ADMIN: "asha-admin",
    Persona.OWNER: "asha",
}
"""Who they are in the families of ``tests.rights.world``."""


class Outcome(StrEnum):
    ALLOWED = "✔"
    NULL = "null"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    CONFLICT = "CONFLICT"


class Open(StrEnum):
    """Rights that are no permission."""

    SIGNED_IN = "a token"
    MEMBER = "membership"


@dataclass(frozen=True)
class Managing:
    """MEMBER_MANAGE over whoever stands in one of these roles, before or after."""

    roles: frozenset[Role]

    def __str__(self) -> str:
        return f"MEMBER_MANAGE of {', '.join(sorted(self.roles))}"


@dataclass(frozen=True)
class Right:
    """``needs`` decides for members; ``given`` are arguments by coordinate, beside those that documents fill in."""

    name: str
    needs: Open | Permission | Managing
    case: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    allowed: Outcome = Outcome.ALLOWED
    """What somebody gets who may; CONFLICT where the state forbids it to everybody."""

    def expected(self, persona: Persona, roles_that_send: Iterable[Role] = DEFAULT_ROLES_THAT_SEND) -> Outcome:
        if persona is Persona.NOBODY:
            return Outcome.UNAUTHENTICATED
        if self.needs is Open.SIGNED_IN:
            return self.allowed
        if persona.role is None:
            return Outcome.NULL if self._nullable else Outcome.NOT_FOUND
        return self.allowed if self._may(persona.role, roles_that_send) else Outcome.FORBIDDEN

    def _may(self, role: Role, roles_that_send: Iterable[Role]) -> bool:
        granted = permissions(role, roles_that_send)
        match self.needs:
            case Permission():
                return self.needs in granted
            case Managing(roles):
                return Permission.MEMBER_MANAGE in granted and roles <= MANAGES[role]
        return True

    @property
    def _nullable(self) -> bool:
        """A query that may be null says so; all else has no way but an error."""
        parent, name = self.name.split(".")
        return parent == "Query" and not str(object_type(parent).fields[name].type).endswith("!")


def _member(
    subject: str,
    before: Role | None,
    after: Role,
    case: str,
    *,
    active: bool = True,
    allowed: Outcome = Outcome.ALLOWED,
) -> Right:
    given = {"SetMemberInput.subject": subject, "SetMemberInput.role": after.value, "SetMemberInput.active": active}
    touched = frozenset({after} if before is None else {before, after})
    return Right("Mutation.setMember", Managing(touched), case, given, allowed)


_VISIBILITY = "UpdateEventInput.visibility"

RIGHTS = (
    Right("Query.me", Open.SIGNED_IN),
    Right("Query.node", Open.MEMBER),
    Right("Query.workspace", Open.MEMBER),
    Right("Query.event", Open.MEMBER),
    Right("Query.sendRun", Open.MEMBER),
    Right("Query.inviteMessage", Open.MEMBER),
    Right("Query.guestUnit", Open.MEMBER),
    Right("Query.guestImport", Open.MEMBER),
    Right("Query.audiencePreview", Permission.PRECHECK),
    Right("Query.precheckSend", Permission.PRECHECK),
    Right("Query.precheck", Permission.PRECHECK),
    Right("Subscription.sendRunProgress", Open.MEMBER),
    Right("Mutation.sendInvites", Permission.INVITE_SEND),
    Right("Mutation.sendTest", Permission.INVITE_SEND),
    Right("Mutation.pauseSendRun", Permission.RUN_CONTROL),
    Right("Mutation.resumeSendRun", Permission.RUN_CONTROL),
    Right("Mutation.cancelSendRun", Permission.RUN_CONTROL),
    Right("Mutation.createWorkspace", Open.SIGNED_IN),
    Right("Mutation.setSendPolicy", Permission.SEND_POLICY),
    # One and the same newcomer from line to line.
    _member("newcomer", None, Role.FAMILY_COORDINATOR, "adds a coordinator"),
    _member("newcomer", Role.FAMILY_COORDINATOR, Role.FAMILY_COORDINATOR, "renames a coordinator"),
    _member("newcomer", Role.FAMILY_COORDINATOR, Role.PARENT_ADMIN, "raises a coordinator to parent admin"),
    _member("newcomer", Role.PARENT_ADMIN, Role.PARENT_ADMIN, "renames a parent admin"),
    _member("newcomer", Role.PARENT_ADMIN, Role.FAMILY_COORDINATOR, "lowers a parent admin"),
    _member("newcomer", Role.FAMILY_COORDINATOR, Role.FAMILY_COORDINATOR, "removes a coordinator", active=False),
    _member("second", None, Role.OWNER, "adds an owner"),
    _member("second", Role.OWNER, Role.OWNER, "removes an owner", active=False),
    _member("asha", Role.OWNER, Role.PARENT_ADMIN, "lowers the last owner", allowed=Outcome.CONFLICT),
    _member("asha", Role.OWNER, Role.OWNER, "removes the last owner", active=False, allowed=Outcome.CONFLICT),
    Right("Mutation.createEvent", Permission.EVENT_EDIT),
    Right("Mutation.updateEvent", Permission.EVENT_EDIT, "keeps its visibility"),
    Right("Mutation.updateEvent", Permission.EVENT_VISIBILITY, "changes its visibility", {_VISIBILITY: "PUBLIC"}),
    Right("Mutation.importGuests", Permission.GUEST_EDIT),
    Right("Mutation.updateGuestUnit", Permission.GUEST_EDIT),
    Right("Mutation.updatePerson", Permission.GUEST_EDIT),
    Right("Mutation.addDoNotMessage", Permission.BLOCK_ADD),
    Right("Mutation.revokeDoNotMessage", Permission.BLOCK_REVOKE),
    Right("Mutation.syncTemplates", Permission.TEMPLATE_SYNC),
    Right("Mutation.eraseGuest", Permission.GUEST_ERASE),
)

SENDING = tuple(right for right in RIGHTS if right.needs in {Permission.INVITE_SEND, Permission.RUN_CONTROL})

POLICIES: dict[str, frozenset[Role]] = {
    "as it begins": DEFAULT_ROLES_THAT_SEND,
    "widened": frozenset(Role),
    "narrowed": frozenset({Role.OWNER}),
}

_COLUMNS = tuple(reversed(Persona))

_INTRODUCTION = """\
Who may do what: every root field of the GraphQL schema, run by the tests as every persona
(`tests/rights/test_rights.py::test_the_table`). This page is printed from their table (`tests/rights/table.py`) and compared;
which role has which permission is in `app/domain/roles.py`.

✔ is done. Members who may not get `FORBIDDEN`. Whoever is not or no longer a member gets what an id of nothing gets: `null`
where a query may say so, else `NOT_FOUND`. Without a token it is `UNAUTHENTICATED`. What is refused is audited with actor,
act and target: a member's attempt in the workspace, all others without one, where only `invites audit --refused` shows them.
What stands in the rows of other families is no one's answer: `tests/rights/test_tenancy.py` asks every field for it."""


def document() -> str:
    """The whole of ``docs/rights.md``."""
    return "\n".join(
        [
            "# Rights",
            "",
            _INTRODUCTION,
            "",
            *_table(RIGHTS),
            "",
            "## The send policy",
            "",
            "`setSendPolicy` widens or narrows who sends; it always keeps `OWNER`. What changes with it:",
            "",
            "| Policy | Root field | " + " | ".join(str(role) for role in Role) + " |",
            "|---|---|" + "---|" * len(Role),
            *(
                f"| {name}: {', '.join(f'`{role}`' for role in Role if role in roles)} | `{right.name}` | "
                + " | ".join(_cell(right.expected(Persona[role.name], roles)) for role in Role)
                + " |"
                for name, roles in POLICIES.items()
                for right in SENDING
            ),
            "",
        ]
    )


def _table(rights: Iterable[Right]) -> list[str]:
    return [
        "| Root field | Case | Needs | " + " | ".join(_COLUMNS) + " |",
        "|---|---|---|" + "---|" * len(_COLUMNS),
        *(
            f"| `{right.name}` | {right.case} | {_needs(right)} | "
            + " | ".join(_cell(right.expected(persona)) for persona in _COLUMNS)
            + " |"
            for right in rights
        ),
    ]


def _needs(right: Right) -> str:
    return str(right.needs) if isinstance(right.needs, Open) else f"`{right.needs}`"


def _cell(outcome: Outcome) -> str:
    return outcome if outcome is Outcome.ALLOWED else f"`{outcome}`"


if __name__ == "__main__":
    print(document(), end="")
