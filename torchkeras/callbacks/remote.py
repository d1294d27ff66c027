"""Sending the logs to a server."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from ..distribution import rank
from ..reporting import warn
from .callback import Callback

_SECONDS = 30.0


class RemoteMonitor(Callback):
    """Send the logs of every epoch to a server, by an HTTP POST. A server that does not answer costs a warning.

    Args:
        root: The server.
        path: What is appended to `root`.
        field: The form field that holds the logs as JSON.
        headers: Further HTTP headers.
        send_as_json: Whether the body is the JSON itself instead of a form.

    Example:

    >>> import torchkeras
    >>> monitor = torchkeras.callbacks.RemoteMonitor("http://localhost:9000", send_as_json=True)
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: dict[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        super().__init__()
        self.root, self.path, self.field, self.headers, self.send_as_json = root, path, field, headers, send_as_json

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not rank.is_main():
            return
        text = json.dumps({"epoch": epoch, **{k: v.tolist() if hasattr(v, "tolist") else v for k, v in (logs or {}).items()}})
        if self.send_as_json:
            body, kind = text.encode(), "application/json"
        else:
            body, kind = urllib.parse.urlencode({self.field: text}).encode(), "application/x-www-form-urlencoded"
        request = urllib.request.Request(self.root + self.path, body, {"Content-Type": kind, **(self.headers or {})})
        try:
            urllib.request.urlopen(request, timeout=_SECONDS).close()
        except urllib.error.HTTPError as answer:  # it was reached, which is all that is asked
            answer.close()
        except OSError as error:
            warn(f"RemoteMonitor could not reach the server at {self.root}: {error}")
