"""What a running process has open, handed to the services that need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from columns.copy import ColumnarCopy
    from config import Config
    from services.cache import Cache
    from services.enrich import GeoReader
    from services.ingest.commit import GroupCommitter
    from services.live.bell import Bell
    from services.rate_window import Ledger
    from stores.base import Store


@dataclass(frozen=True)
class Context:
    """One per process, made by `app.create_app` after the fork."""

    config: Config
    store: Store
    cache: Cache
    ledger: Ledger
    committer: GroupCommitter
    copy: ColumnarCopy
    geo: GeoReader
    bell: Bell
