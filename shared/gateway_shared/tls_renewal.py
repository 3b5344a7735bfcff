"""TLS contexts that follow their files: what is replaced on disk is shown in the next handshake.

Connections that are there go on with what they have shown; each kind of connection bounds its own age
(SECURITY: mTLS between all parts). Authorities are added, not taken away: that takes a restart.
"""

import ssl
from pathlib import Path
from typing import Any

from gateway_shared import canonical_log

_Stamp = tuple[tuple[int, int, int], ...]
_MISSING = (0, 0, 0)


class RenewedContext(ssl.SSLContext):
    """Looks at its files before each handshake (some microseconds; a handshake is a millisecond and more).

    Files that do not fit together, as while they are being replaced one after the other, leave what was loaded before.
    """

    _cert_file: Path
    _key_file: Path
    _ca_file: Path | None
    _stamp: _Stamp
    _unusable: _Stamp = ()

    def load_and_follow(self, *, cert_file: Path, key_file: Path, ca_file: Path | None = None) -> None:
        """Raises OSError, ssl.SSLError among them, for files that cannot be used."""
        self._cert_file, self._key_file, self._ca_file = cert_file, key_file, ca_file
        self._stamp = self._look()
        self._load(self)

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """How asyncio and uvloop begin a handshake."""
        self._renew()
        return super().wrap_bio(*arguments, **options)

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        self._renew()
        return super().wrap_socket(*arguments, **options)

    def _renew(self) -> None:
        stamp = self._look()
        if stamp in (self._stamp, self._unusable):
            return
        try:
            self._load(ssl.SSLContext(self.protocol))  # a pair that does not fit would spoil this context
            self._load(self)
        except OSError as error:
            self._unusable = stamp
            canonical_log.warning(
                "certificate not renewed yet", file=str(self._cert_file), error_class=type(error).__name__
            )
            return
        self._stamp = stamp
        canonical_log.info("certificate renewed", file=str(self._cert_file))

    def _look(self) -> _Stamp:
        """Changes whenever one of the files is replaced or written to."""
        files = (self._cert_file, self._key_file, self._ca_file)
        return tuple(_stamp_of(file) for file in files if file is not None)

    def _load(self, context: ssl.SSLContext) -> None:
        if self._ca_file is not None:
            context.load_verify_locations(cafile=self._ca_file)
        context.load_cert_chain(self._cert_file, self._key_file)


def _stamp_of(file: Path) -> tuple[int, int, int]:
    try:
        state = file.stat()
    except OSError:
        return _MISSING
    return state.st_ino, state.st_mtime_ns, state.st_size
