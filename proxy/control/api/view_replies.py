"""What is answered about saved views, for the description; nothing is made of these classes."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from proxy.catalogue.view import ViewDocument


class View(ViewDocument, defer_build=True):
    """A view; its id is its name. author saved it last."""

    id: str
    author: str
    created_at: datetime
    updated_at: datetime


class RemovedView(BaseModel, defer_build=True):
    """The name of what is gone."""

    deleted: str
