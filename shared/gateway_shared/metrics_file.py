"""A metric's value in a file of prometheus_client's multiprocess format, for as long as its process lives and after.

In the place of prometheus_client.values.MmapedValue, which takes a lock and asks for the process id at each
increment: a counter costs 0.21 us instead of 1.5 (and 0.55 outside multiprocess mode). The price: a metric is
written by one thread of a process. The file itself is theirs; a test pins what of it is used.
"""

# mypy: disable-error-code="no-untyped-call"

import os
from array import array
from pathlib import Path

import prometheus_client.values
from prometheus_client.mmap_dict import MmapedDict, mmap_key

_values: list["FileValue"] = []
_files: dict[str, MmapedDict] = {}
_folder: Path | None = None


def use_for_all_metrics() -> None:
    """Before the first metric is made (metrics.py does). Values stay in memory until `write_to`."""
    prometheus_client.values.ValueClass = FileValue


def write_to(folder: Path) -> None:
    """Once in a process: its values go to files of its own in `folder`, and begin at 0."""
    global _folder
    _folder = folder
    for value in _values:
        value.bind()


class FileValue:
    """A float: `prometheus_client.values` says which methods it needs."""

    _multiprocess = True
    __slots__ = ("_doubles", "_index", "_key", "_prefix")

    def __init__(
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: list[str],
        labelvalues: list[str],
        help_text: str,
        multiprocess_mode: str = "",
        **_: object,
    ) -> None:
        self._prefix = f"{typ}_{multiprocess_mode}" if typ == "gauge" else typ
        self._key = mmap_key(metric_name, name, labelnames, labelvalues, help_text)
        self._doubles: memoryview[float] | array[float] = array("d", [0.0])
        self._index = 0
        _values.append(self)
        if _folder is not None:
            self.bind()

    def bind(self) -> None:
        assert _folder is not None
        file = _files.get(self._prefix)
        if file is None:
            file = _files[self._prefix] = MmapedDict(str(_folder / f"{self._prefix}_{os.getpid()}.db"))
        file.read_value(self._key)  # makes its place, at 0
        # a grown file is mapped anew: the older mapping shows the same pages, so earlier values stay where they are
        self._doubles = memoryview(file._m).cast("d")  # noqa: SLF001
        self._index = file._positions[self._key] // 8  # noqa: SLF001

    def inc(self, amount: float) -> None:
        self._doubles[self._index] += amount

    def set(self, value: float, **_: object) -> None:
        self._doubles[self._index] = value

    def get(self) -> float:
        return self._doubles[self._index]

    def set_exemplar(self, _: object) -> None:
        """Not kept: files have no place for it."""

    def get_exemplar(self) -> None:
        """None: see `set_exemplar`."""


def add_to(total_file: Path, file: Path) -> None:
    """Adds every value of `file` to that of the same metric in `total_file`, which is made when it is missing."""
    total = MmapedDict(str(total_file))
    try:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):
            total.write_value(key, total.read_value(key)[0] + value, 0.0)
    finally:
        total.close()
