"""Small documents that analysts keep in a project: each has an id, and belongs to one project for good.

A document of another project is as unknown as one that never was.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from services import clock
from services.context import Context
from services.errors import Conflict, NotFound
from stores.base import Document

ID_BYTES = 8
DOCUMENT_ID = re.compile(r"[0-9a-f]{16}")


def pack_json(value: object) -> str:
    """A JSON value as it is stored, as text: documents take neither large whole numbers nor every name."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def unpack_json(text: str) -> Any:
    """What `pack_json` was given."""
    return msgspec.json.decode(text)


def show_json(text: str) -> msgspec.Raw:
    """What `pack_json` was given, as a part of an answer, exactly as it came."""
    return msgspec.Raw(text.encode())


@dataclass(frozen=True)
class ProjectCollection:
    """Documents of one kind: `name` in the store, what one is called, and how many a project may have."""

    name: str
    noun: str
    most: int

    @property
    def unknown_code(self) -> str:
        return f"unknown_{self.noun.replace(' ', '_')}"

    def insert(self, context: Context, project_key: str, values: Mapping[str, Any], *, now_ms: int) -> Document:
        """A new document of these fields. Conflict where the project has as many as it may.

        Requests at the same moment may exceed that by a few.
        """
        own = {"projectKey": project_key}
        if len(context.store.find_documents(self.name, own, limit=self.most)) >= self.most:
            raise Conflict(f"A project has at most {self.most} of this kind: {self.noun}", code="too_many")
        now = clock.format_ms_sortable(now_ms)
        document = {**values, "id": secrets.token_hex(ID_BYTES), **own, "createdAt": now, "updatedAt": now}
        if not context.store.insert_document(self.name, document["id"], document):
            raise RuntimeError("an id of 64 random bits was taken twice: the source of randomness is broken")
        return document

    def fetch(self, context: Context, project_key: str, document_id: str) -> Document:
        """The document; NotFound where the project has none with this id."""
        is_id = DOCUMENT_ID.fullmatch(document_id)
        document = context.store.fetch_document(self.name, document_id) if is_id else None
        if document is None or document["projectKey"] != project_key:
            raise self.build_unknown()
        return document

    def list(self, context: Context, project_key: str) -> list[Document]:
        """All of the project, oldest first."""
        return context.store.find_documents(self.name, {"projectKey": project_key}, order_by="createdAt")

    def update(
        self,
        context: Context,
        document: Document,
        values: Mapping[str, Any],
        *,
        now_ms: int,
        unchanged: tuple[str, ...] = (),
    ) -> Document:
        """The document with these fields changed; without any, as it is. NotFound where it is gone by now, Conflict
        where the `unchanged` fields are not what they were when it was fetched."""
        if not values:
            return document
        changes = {**values, "updatedAt": clock.format_ms_sortable(now_ms)}
        expect = {name: document[name] for name in ("projectKey", *unchanged)}
        if not context.store.update_document(self.name, document["id"], changes, expect=expect):
            self.fetch(context, document["projectKey"], document["id"])
            raise Conflict(f"The {self.noun} was changed by another request meanwhile", code="changed_meanwhile")
        return {**document, **changes}

    def delete(self, context: Context, project_key: str, document_id: str) -> Document:
        """Remove the document, and give what it was. NotFound where there is none."""
        document = self.fetch(context, project_key, document_id)
        if not context.store.delete_documents(self.name, {"projectKey": project_key, "id": document_id}):
            raise self.build_unknown()
        return document

    def build_unknown(self) -> NotFound:
        return NotFound(f"There is no such {self.noun} in this project", code=self.unknown_code)
