"""What can go wrong, in the product's own terms; `routes.errors` turns each into an HTTP answer."""

from __future__ import annotations


class AppTrackerError(Exception):
    """A failure with a sentence for a person, a stable slug for a program and the fields it is about."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, fields: list[str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.fields = fields or []


class InvalidInput(AppTrackerError):
    """The request says something that cannot be meant (400)."""

    code = "invalid_input"


class Unauthorized(AppTrackerError):
    """No credentials, or ones that are not known, expired or revoked (401)."""

    code = "unauthorized"


class Forbidden(AppTrackerError):
    """Known, but not allowed to do this (403)."""

    code = "forbidden"


class NotFound(AppTrackerError):
    """No such thing inside what the caller may see (404)."""

    code = "not_found"


class Conflict(AppTrackerError):
    """What is asked disagrees with the present state (409)."""

    code = "conflict"


class TooLarge(AppTrackerError):
    """Over a limit of size or count (413)."""

    code = "too_large"


class UnsupportedMedia(AppTrackerError):
    """A content type or content encoding that is not understood (415)."""

    code = "unsupported_media_type"


class TooManyRequests(AppTrackerError):
    """Over a limit of requests in a time; admitted again after `retry_after_seconds` (429)."""

    code = "too_many_requests"

    def __init__(self, message: str, *, code: str | None = None, retry_after_seconds: int) -> None:
        super().__init__(message, code=code)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(AppTrackerError):
    """Not possible now; the same request may succeed after `retry_after_seconds` (503)."""

    code = "unavailable"

    def __init__(self, message: str, *, code: str | None = None, retry_after_seconds: int = 1) -> None:
        super().__init__(message, code=code)
        self.retry_after_seconds = retry_after_seconds
