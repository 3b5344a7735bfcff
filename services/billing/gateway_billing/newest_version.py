"""Whether a file becomes a version: not one that the newest has, nor a release's over an operator's own. Pure."""

from collections.abc import Mapping
from typing import Any


class NotImported(Exception):
    """A file that makes no version; the message says why not."""


def check_against_newest(newest: Mapping[str, Any] | None, content_sha256: str | None, *, bundled: bool) -> None:
    """Against `version_id`, `content_sha256` and `is_bundled` of the newest version. Raises NotImported.

    Without a hash the content is another in any case. A file that came with a release never replaces one that did
    not: that is the operator's own.
    """
    if newest is None:
        return
    if newest["content_sha256"] == content_sha256:
        raise NotImported("already imported")
    if bundled and not newest["is_bundled"]:
        raise NotImported(f"left out, as version {newest['version_id']} is your own")
