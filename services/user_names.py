"""What may belong to one user only: name, e-mail address, Google account. Each is a document, taken atomically.

A name whose registration did not come to its end has no user behind it, and is free again after ORPHAN_MS.
"""

from __future__ import annotations

import unicodedata

from services import clock
from services.context import Context

USERS = "users"
USER_NAMES = "user_names"
FIRST_USER = "first-user"
"""Who has it is the first user of the installation."""
ORPHAN_MS = 10 * 60_000
"""Far longer than a registration takes from here to the stored user."""


def build_name_key(username: str) -> str:
    """Equal for usernames that differ only in case or in how they are encoded."""
    return f"name:{unicodedata.normalize('NFKC', username).casefold()}"


def fold_email(email: str) -> str:
    """Equal for addresses that differ only in the case of ASCII letters. Of other letters some have an ASCII letter in
    the other case, and would make the address of one mailbox that of another."""
    return "".join(char.lower() if char.isascii() else char for char in email)


def build_email_key(email: str) -> str:
    return f"email:{fold_email(email)}"


def build_google_key(subject: str) -> str:
    return f"google:{subject}"


def fetch_owner_id(context: Context, key: str) -> str | None:
    """The id of the user who has this name, or is registering with it; None for a free one."""
    document = context.store.fetch_document(USER_NAMES, key)
    return None if document is None else str(document["userId"])


def claim(context: Context, key: str, user_id: str, *, now_ms: int) -> bool:
    """Take the name for this user; False if another user has it. Claiming one's own again is fine."""
    document = {"userId": user_id, "claimedAt": clock.format_ms_sortable(now_ms)}
    if context.store.insert_document(USER_NAMES, key, document):
        return True
    held = context.store.fetch_document(USER_NAMES, key)
    if held is None:
        return context.store.insert_document(USER_NAMES, key, document)
    if held["userId"] == user_id:
        return True
    is_fresh = held["claimedAt"] >= clock.format_ms_sortable(now_ms - ORPHAN_MS)
    if is_fresh or context.store.fetch_document(USERS, held["userId"]) is not None:
        return False
    return context.store.update_document(USER_NAMES, key, document, expect={"userId": held["userId"]})


def release_all(context: Context, user_id: str) -> None:
    """Free every name of a user whose registration failed."""
    context.store.delete_documents(USER_NAMES, {"userId": user_id})
