"""Settings: read once, in `__main__`, into one frozen dataclass; every problem is reported together.

    @dataclass(frozen=True, kw_only=True)
    class RouterSettings:
        port: int = setting("ROUTER_PORT", 8443)
        openai_api_key: Secret | None = setting("OPENAI_API_KEY", None)

    settings = read_settings(RouterSettings, os.environ)

Any setting can come from a file: `OPENAI_API_KEY_FILE=/run/secrets/openai` (the last line break is
dropped). An empty value counts as not set.
"""

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


class SettingsInvalid(Exception):
    """One line per setting that is missing or wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Secret:
    """A string whose repr, str and pickle show nothing; `reveal()` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def setting(name: str, default: object = MISSING, *, choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field read from the environment variable `name`, or from the file that `name_FILE` names."""
    metadata = {"environment_variable": name, "choices": choices}
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


def read_settings(cls: type[T], environ: Mapping[str, str]) -> T:
    """Raises SettingsInvalid with all problems at once."""
    hints = get_type_hints(cls)
    problems: list[str] = []
    values: dict[str, object] = {}
    for item in fields(cls):
        name = item.metadata["environment_variable"]
        try:
            text = _text_of(name, environ)
            if text is not None:
                values[item.name] = _convert(text, hints[item.name], item)
            elif item.default is MISSING:
                problems.append(f"{name} is not set (nor {name}_FILE)")
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise SettingsInvalid(problems)
    return cls(**values)


def _text_of(name: str, environ: Mapping[str, str]) -> str | None:
    path = environ.get(f"{name}_FILE")
    if environ.get(name):
        if path:
            raise ValueError(f"set it or {name}_FILE, not both")
        return environ[name]
    if not path:
        return None
    try:
        return Path(path).read_text().rstrip("\r\n") or None
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error


def _convert(text: str, hint: object, item: "Field[object]") -> object:
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    choices = item.metadata["choices"]
    if choices and text not in choices:
        raise ValueError(f"{text!r} is not one of {', '.join(choices)}")
    if hint is bool:
        return _boolean(text)
    if get_origin(hint) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if hint in (int, float):
        return _number(text, hint)
    assert isinstance(hint, type)
    return hint(text)


def _number(text: str, kind: object) -> int | float:
    try:
        number = int(text) if kind is int else float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if number < 0 or number == float("inf") or number != number:
        raise ValueError(f"{text!r} is not a number from 0 up")
    return number


def _boolean(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError(f"{text!r} is neither 1 nor 0")
