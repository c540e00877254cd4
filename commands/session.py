"""What every command needs: the open service, and errors as a line for a person and an exit status."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import cast

import click
from flask import current_app

from services.context import Context
from services.errors import AppTrackerError
from stores.base import StoreUnavailable


class ExitStatus(IntEnum):
    """How a command ends."""

    DONE = 0
    FOUND_FAULTS = 1
    """It ran to the end; lines were rejected, or a copy disagrees with the store."""
    REFUSED = 2
    """It cannot do what is asked: wrong arguments, no such project, a file that cannot be read."""
    UNAVAILABLE = 3
    """The store is away. The same command may be run again."""


class CommandFailed(click.ClickException):
    """Ends the command with `Error: <message>` on standard error."""

    exit_code = ExitStatus.REFUSED


class StoreAway(CommandFailed):
    """Ends the command because the store did not answer."""

    exit_code = ExitStatus.UNAVAILABLE


def context() -> Context:
    """What this process has open."""
    return cast(Context, current_app.extensions["apptracker"])


@contextmanager
def readable_errors() -> Iterator[None]:
    """As a decorator of a command: errors of the services and of the store end it with their message."""
    try:
        yield
    except AppTrackerError as exc:
        raise CommandFailed(exc.message) from exc
    except StoreUnavailable as exc:
        message = f"The store is not available: {exc}. It is safe to run the same command again."
        raise StoreAway(message) from exc
