"""Opens what the settings name: the store that holds the truth, and Redis where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import redis
    import redis.asyncio
    from pymongo import MongoClient

    from config import Config
    from stores.base import Store

REDIS_CONNECT_SECONDS = 0.5
REDIS_ANSWER_SECONDS = 1.0
REDIS_HEALTH_CHECK_SECONDS = 30
MONGO_ANSWER_MS = 60_000
"""For a single answer, of a scan or an index build too; writes have their own, shorter limit."""


def open_store(config: Config) -> Store:
    """The store the settings name. Nothing is connected or created before its first use: safe before a fork.

    The drivers are imported here because a process needs only one of them.
    """
    if config.uses_mongodb:
        from services.turns import ask_together
        from stores.mongo import MongoStore

        return MongoStore(
            lambda: open_mongo_client(config),
            config.mongo_db_name,
            timeout_ms=config.mongo_timeout_ms,
            settle_ms=config.mongo_settle_seconds * 1_000,
            refuse_late=True,
            ask_together=ask_together,
        )
    from stores.sqlite import SQLiteStore

    return SQLiteStore(config.data_dir / "events.db")


def open_mongo_client(config: Config) -> MongoClient[dict[str, Any]]:
    """A client with the settings' limits. It starts threads: call it after the fork only."""
    from pymongo import MongoClient

    return MongoClient(
        config.mongo_uri,
        connectTimeoutMS=config.mongo_connect_timeout_ms,
        serverSelectionTimeoutMS=config.mongo_server_selection_timeout_ms,
        socketTimeoutMS=MONGO_ANSWER_MS,
        appname="apptracker",
    )


def open_redis(config: Config) -> redis.Redis | None:
    """A client that connects when first used, or None without REDIS_URL. Answers are bytes.

    Redis only makes things faster: its limits are short and it is asked once more at most, so that a Redis which
    hangs costs a request little.
    """
    if not config.redis_url:
        return None
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis.from_url(
        config.redis_url,
        socket_connect_timeout=REDIS_CONNECT_SECONDS,
        socket_timeout=REDIS_ANSWER_SECONDS,
        health_check_interval=REDIS_HEALTH_CHECK_SECONDS,
        # a connection that went stale is made anew; a Redis that hangs is not waited for twice
        retry=Retry(NoBackoff(), retries=1, supported_errors=(redis.exceptions.ConnectionError,)),
    )


def open_listening_redis(config: Config) -> redis.asyncio.Redis | None:
    """A client for an event loop, to wait with for what others publish; None without REDIS_URL."""
    if not config.redis_url:
        return None
    import redis.asyncio

    return redis.asyncio.Redis.from_url(
        config.redis_url,
        socket_connect_timeout=REDIS_CONNECT_SECONDS,
        health_check_interval=REDIS_HEALTH_CHECK_SECONDS,
    )
