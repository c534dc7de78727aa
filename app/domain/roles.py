"""Who may do what: one table, read by every service, by ``viewerCan`` and by the tests.

``OWNER`` and ``PARENT_ADMIN`` send by default; a workspace's send policy (``rolesThatSend``) may widen or narrow that,
but always keeps ``OWNER``.
"""

from collections.abc import Iterable

from app.domain.enums import AuditAction, Permission, Role

_EVERYBODY = frozenset(
    {
        Permission.EVENT_EDIT,
        Permission.GUEST_EDIT,
        Permission.PRECHECK,
        Permission.BLOCK_ADD,
        Permission.EXPORT,
    }
)
_SENDING = frozenset({Permission.INVITE_SEND, Permission.RUN_CONTROL})
_ADMINS = frozenset(
    {
        Permission.EVENT_VISIBILITY,
        Permission.BLOCK_REVOKE,
        Permission.TEMPLATE_SYNC,
        Permission.RECEIPT_READ,
        Permission.GUEST_ERASE,
        Permission.AUDIT_GOVERNANCE,
        Permission.MEMBER_MANAGE,
    }
)

GRANTS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: _EVERYBODY | _ADMINS | {Permission.SEND_POLICY},
    Role.PARENT_ADMIN: _EVERYBODY | _ADMINS,
    Role.FAMILY_COORDINATOR: _EVERYBODY,
}
"""Without the two sending permissions, which the workspace's send policy gives."""

DEFAULT_ROLES_THAT_SEND = frozenset({Role.OWNER, Role.PARENT_ADMIN})

MANAGES: dict[Role, frozenset[Role]] = {
    Role.OWNER: frozenset(Role),
    Role.PARENT_ADMIN: frozenset({Role.FAMILY_COORDINATOR}),
    Role.FAMILY_COORDINATOR: frozenset(),
}
"""Whose membership, before and after a change, a role may touch."""

GOVERNANCE_ACTIONS = frozenset(
    {
        AuditAction.ROLE_CHANGE,
        AuditAction.EVENT_VISIBILITY_CHANGE,
        AuditAction.EVENT_EDIT,
        AuditAction.TEMPLATE_SYNC,
        AuditAction.ACCESS_REFUSED,
        AuditAction.EXPORT,
        AuditAction.SEND_POLICY_CHANGE,
    }
)
"""Audit that only ``AUDIT_GOVERNANCE`` sees; the rest (sends, runs, guests, blocks) is routine and seen by every member."""


def permissions(role: Role, roles_that_send: Iterable[Role]) -> frozenset[Permission]:
    """Everything that ``role`` may do in a workspace with this send policy."""
    sends = role is Role.OWNER or role in frozenset(roles_that_send)
    return GRANTS[role] | _SENDING if sends else GRANTS[role]
