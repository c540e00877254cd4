"""What the members of an organisation may do, by role."""

from __future__ import annotations

from enum import StrEnum

from services.fields import parse_choice
from services.keys import Scope


class Role(StrEnum):
    """A member's role; each may do what those after it may."""

    OWNER = "owner"
    ADMIN = "admin"
    ANALYST = "analyst"
    VIEWER = "viewer"

    def covers(self, least: Role) -> bool:
        """Whether this role may do what needs `least`."""
        return _ORDER.index(self) <= _ORDER.index(least)

    @property
    def scopes(self) -> frozenset[Scope]:
        """What the role may do in the organisation's projects."""
        return frozenset(Scope) if self.covers(Role.ADMIN) else frozenset({Scope.READ})

    @property
    def can_edit(self) -> bool:
        """Whether the role may keep what belongs to all analysts of a project, such as saved reports."""
        return self.covers(Role.ANALYST)

    def may_manage(self, role: Role) -> bool:
        """Whether the role may give, change or take away `role`: owners every one, admins those below owner."""
        return self is Role.OWNER or (self is Role.ADMIN and role is not Role.OWNER)


_ORDER = list(Role)


def parse_role(value: object) -> Role:
    """A role by its name."""
    return parse_choice(value, choices=Role)
