"""What the attempts of one task at a sync have in common, and in which places tests kill them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.rows.attempt import IDENTITY

#: When an attempt is killed: the first request of a phase is lost, or has no response; the results of a phase are
#: complete, and the state does not have them; the state has everything, and the plan is not marked as applied; the plan
#: was marked just now.
LOST, SENT, COMPLETE, SAVED, FINISHED = "lost", "sent", "complete", "saved", "finished"


def context() -> dict[str, Any]:
    """Return the context of the task, the same in all of its attempts."""
    return {"ti": SimpleNamespace(**IDENTITY, raw=True, xcom_push=lambda *_: None)}
