"""The four kinds of function, wrapped so that each stays what it is."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from functools import wraps
from typing import Any

from unigurd_sdk.protect.call import Protection, last_chunks, settled
from unigurd_sdk.stream.guarded import AsyncGuardedStream, GuardedStream

AnyFunction = Callable[..., Any]


def wrap(function: AnyFunction, protection: Protection) -> AnyFunction:
    """Wrap a function by its kind; its name, signature and documentation stay."""
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, protection)
    if inspect.isgeneratorfunction(function):
        return _generator(function, protection)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, protection)
    return _plain(function, protection)


def _plain(function: AnyFunction, protection: Protection) -> AnyFunction:
    @wraps(function)
    def protected(*args: object, **kwargs: object) -> object:
        call = protection.call(args, kwargs)
        stop = call.admit()
        return call.release(function(*args, **kwargs)) if stop is None else stop.value

    return protected


def _coroutine(function: AnyFunction, protection: Protection) -> AnyFunction:
    @wraps(function)
    async def protected(*args: object, **kwargs: object) -> object:
        call = protection.call(args, kwargs)
        stop = await call.aadmit()
        return await call.arelease(await function(*args, **kwargs)) if stop is None else await settled(stop)

    return protected


def _generator(function: AnyFunction, protection: Protection) -> AnyFunction:
    @wraps(function)
    def protected(*args: object, **kwargs: object) -> Generator[Any, Any, Any]:
        call = protection.call(args, kwargs)
        stop = call.admit()
        if stop is not None:
            yield from last_chunks(stop)
            return None
        chunks = call.release(function(*args, **kwargs))
        if not isinstance(chunks, GuardedStream):
            return (yield from chunks)  # type: ignore[misc]
        with chunks:
            yield from chunks
        return None

    return protected


def _async_generator(function: AnyFunction, protection: Protection) -> AnyFunction:
    @wraps(function)
    async def protected(*args: object, **kwargs: object) -> AsyncGenerator[Any, None]:
        call = protection.call(args, kwargs)
        stop = await call.aadmit()
        if stop is not None:
            for chunk in last_chunks(stop):
                yield await _awaited(chunk)
            return
        chunks: Any = call.release(function(*args, **kwargs))
        try:
            async for chunk in chunks:
                replaced = isinstance(chunks, AsyncGuardedStream) and chunks.stopped
                yield await _awaited(chunk) if replaced else chunk
        finally:
            await chunks.aclose()

    return protected


async def _awaited(value: Any) -> Any:  # noqa: ANN401
    """Return a value, awaited if the reaction that gave it is asynchronous."""
    return await value if inspect.isawaitable(value) else value
