"""Operations as methods: defined once, and called on a synchronous or an asynchronous server.

What stands below ``@call`` is an operation. On what reaches a server synchronously, the method
of its name takes the same arguments and gives the operation's result; on what reaches it
asynchronously, the result has to be awaited. ``@stream`` does the same for answers that are
read while they come. Both say so to type checkers, and keep signature and docstring.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from coir.client.exchange import Operation, Request
from coir.client.transport import AsyncTransport, Transport

__all__ = ["Reach", "Way", "call", "stream"]

P = ParamSpec("P")
T = TypeVar("T")
Way = TypeVar("Way", bound=Transport | AsyncTransport)


class Reach(Generic[Way]):
    """What reaches a server: the server itself, a group of its calls, or a dataset."""

    def __init__(self, transport: Way) -> None:
        self.transport = transport


class call(Generic[P, T]):  # noqa: N801 - a decorator
    """An operation as a method; ``operation`` is the plain function, for other operations."""

    def __init__(self, operation: Callable[Concatenate[Any, P], Operation[T]]) -> None:
        self.operation = operation
        self.__doc__ = operation.__doc__
        self.__wrapped__ = operation  # where `inspect` and documentation look

    @overload
    def __get__(self, place: None, owner: type) -> call[P, T]: ...
    @overload
    def __get__(self, place: Reach[Transport], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, place: Reach[AsyncTransport], owner: type
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, place: Any, owner: type) -> Any:
        if place is None:
            return self

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return place.transport.run(self.operation(place, *args, **kwargs))

        return _shown(method, self.operation)


class stream(Generic[P]):  # noqa: N801 - a decorator
    """A request as a method that gives the body of its answer while it comes, in bytes.

    Close what it gives, or read it to its end: until then the connection is taken.
    """

    def __init__(self, request: Callable[Concatenate[Any, P], Request]) -> None:
        self.request = request
        self.__doc__ = request.__doc__
        self.__wrapped__ = request

    @overload
    def __get__(self, place: None, owner: type) -> stream[P]: ...
    @overload
    def __get__(self, place: Reach[Transport], owner: type) -> Callable[P, Generator[bytes]]: ...
    @overload
    def __get__(
        self, place: Reach[AsyncTransport], owner: type
    ) -> Callable[P, AsyncGenerator[bytes]]: ...
    def __get__(self, place: Any, owner: type) -> Any:
        if place is None:
            return self

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return place.transport.pieces(self.request(place, *args, **kwargs))

        return _shown(method, self.request)


def _shown(method: Callable[..., Any], definition: Callable[..., Any]) -> Callable[..., Any]:
    """Let ``help`` show a method as it is defined, without ``self``, and with what it gives."""
    update_wrapper(method, definition)
    signature = inspect.signature(definition)
    gives = str(signature.return_annotation).removeprefix("Operation[").removesuffix("]")
    shown = "Iterator[bytes]" if gives == "Request" else gives
    # `inspect` and the documents read it; to the type checker a function has no such attribute.
    method.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=list(signature.parameters.values())[1:], return_annotation=shown
    )
    return method
