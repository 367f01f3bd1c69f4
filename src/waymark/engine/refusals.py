"""What a guard says of a value that it does not let code reach."""

from __future__ import annotations

from typing import Any

from waymark.errors import ImpureCallError

#: Methods of pydantic's models that have newer names, which may be called.
_NEWER = {
    "from_orm": "model_validate",
    "parse_raw": "model_validate_json",
    "schema": "model_json_schema",
    "schema_json": "model_json_schema",
    "validate": "model_validate",
}


def refusal(cls: type[Any], name: str) -> ImpureCallError:
    """An attribute of a class's instances is out of reach."""
    newer = _NEWER.get(name) if hasattr(cls, "__pydantic_fields__") else None
    if newer is not None:
        return ImpureCallError(
            f"`{cls.__qualname__}.{name}` is an old name of pydantic's; use `{newer}`"
        )
    return ImpureCallError(
        f"`{cls.__qualname__}.{name}` may touch the world; a workflow body cannot use it. "
        "Move it into an @action and await it"
    )


def property_set(cls: type[Any], name: str) -> ImpureCallError:
    """A property of a user's class is set."""
    return ImpureCallError(
        f"`{cls.__qualname__}.{name}` is a property, and setting one would change the object by"
        " code that is not recorded. Set the fields that it stands for, or make a new object"
    )


def unknown(value: Any) -> ImpureCallError:
    """Something is called that is not known to be pure."""
    name = getattr(value, "__qualname__", type(value).__qualname__)
    return ImpureCallError(
        f"`{name}` is not known to be pure. Mark it @waymark.pure if it only computes, else "
        "make it an @action and await it"
    )
