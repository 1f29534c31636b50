"""Options that several commands share, as one value in the place of a parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import wraps
from inspect import Parameter, signature
from typing import Any

__all__ = ["grouped"]


def grouped(
    command: Callable[..., None], name: str, kind: type[Any], options: Mapping[str, Any]
) -> Callable[..., None]:
    """Give a command an option for each field of a dataclass, in the place of a parameter.

    Args:
        command: takes a value of the dataclass by this name.
        name: the parameter.
        kind: the dataclass; its fields have the defaults.
        options: the type of each option, as typer reads it.

    """
    shown = [
        Parameter(one.name, Parameter.POSITIONAL_OR_KEYWORD, default=one.default,
                  annotation=options[one.name])
        for one in fields(kind)
    ]  # fmt: skip
    own = signature(command, eval_str=True)
    parameters: list[Parameter] = []
    for parameter in own.parameters.values():
        parameters += shown if parameter.name == name else [parameter]

    @wraps(command)
    def called(**given: Any) -> None:
        value = kind(**{one.name: given.pop(one.name) for one in shown})
        command(**{name: value}, **given)

    # Typer reads it; to the type checker a function has no such attribute.
    called.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    return called
