"""What every driver of `Documents` must do. Subclass `DocumentsContract` and `WatchContract`, and
`StreamContract` where the engine has change streams; give them their fixtures.
"""

from __future__ import annotations

from tests.conformance.documents_keeping import DocumentsContract
from tests.conformance.documents_watch import StreamContract, WatchContract

__all__ = ["DocumentsContract", "StreamContract", "WatchContract"]
