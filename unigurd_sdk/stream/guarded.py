"""Guarded streams: iterators over the chunks of a source that give out only what was judged."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from unigurd_sdk.judge import Answer
from unigurd_sdk.stream.session import Session

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

C = TypeVar("C")

_NOTHING_YET: Any = object()


class _Guarded(Generic[C]):
    """What both streams tell about themselves."""

    def __init__(self, session: Session[C]) -> None:
        self._session = session

    @property
    def verdict(self) -> Answer | None:
        """The worst verdict or report so far, with offsets in the whole text; None before the first judgement."""
        return self._session.verdict

    @property
    def tokens(self) -> int:
        """Tokens of text that were judged so far; those that were read twice count twice."""
        return self._session.tokens

    @property
    def stopped(self) -> bool:
        """True if a violation ended the stream."""
        return self._session.stopped


class GuardedStream(_Guarded[C], Iterator[C]):
    """An iterator over a source's chunks; see `Guard.stream`.

    Closing it, or leaving its `with` block, drops what is held and closes the source.
    """

    def __init__(self, source: Iterable[C], session: Session[C]) -> None:
        """Guard `source`; nothing is read before the first chunk is asked for."""
        super().__init__(session)
        self._source = source
        self._iterator = iter(source)
        self._run = self._generate()

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> C:
        """Return the next chunk that may leave."""
        return next(self._run)

    def close(self) -> None:
        """Drop what is held and close the source."""
        self._run.close()
        self._close_source()

    def __enter__(self) -> Self:
        """Return the stream; leaving the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the stream."""
        self.close()

    def _generate(self) -> Generator[C, None, None]:
        session = self._session
        exhausted = False
        try:
            session.start()
            while not session.done:
                exhausted = self._advance()
                text = session.question()
                if text is not None:
                    session.settle(session.judge.check(text, session.prompt))
                yield from session.leave()
        finally:
            if not exhausted:
                self._close_source()

    def _advance(self) -> bool:
        """Take the next chunk of the source, or its end; True if it came to its end without an error."""
        try:
            chunk = next(self._iterator)
        except StopIteration:
            self._session.end()
            return True
        except Exception as failure:
            self._session.end(failure)
        else:
            self._session.add(chunk)
        return False

    def _close_source(self) -> None:
        for each in (self._iterator, self._source):
            close = getattr(each, "close", None)
            if close is not None:
                close()


class AsyncGuardedStream(_Guarded[C], AsyncIterator[C]):
    """An asynchronous iterator over a source's chunks; see `Guard.stream`.

    Judgements run in a worker thread. Closing it, or leaving its `async with` block, drops what is held and closes
    the source.
    """

    def __init__(self, source: AsyncIterable[C], session: Session[C]) -> None:
        """Guard `source`; nothing is read before the first chunk is asked for."""
        super().__init__(session)
        self._source = source
        self._iterator = aiter(source)
        self._run = self._generate()
        self._coming: asyncio.Task[C] | None = None

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> C:
        """Return the next chunk that may leave."""
        return await anext(self._run)

    async def aclose(self) -> None:
        """Drop what is held and close the source."""
        await self._run.aclose()
        await self._close_source()

    async def __aenter__(self) -> Self:
        """Return the stream; leaving the block closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the stream."""
        await self.aclose()

    async def _generate(self) -> AsyncGenerator[C, None]:
        session = self._session
        exhausted = False
        try:
            await asyncio.to_thread(session.start)
            while not session.done:
                exhausted = await self._advance()
                text = session.question()
                if text is not None:
                    session.settle(await session.judge.acheck(text, session.prompt))
                for chunk in session.leave():
                    yield chunk
        finally:
            if not exhausted:
                await self._close_source()

    async def _advance(self) -> bool:
        """Take the next chunk of the source or its end, or wait for it until something must leave; as above."""
        try:
            chunk = await self._next()
        except StopAsyncIteration:
            self._session.end()
            return True
        except Exception as failure:
            self._session.end(failure)
        else:
            if chunk is not _NOTHING_YET:
                self._session.add(chunk)
        return False

    async def _next(self) -> C:
        """Return the next chunk, or `_NOTHING_YET` if time is up before; the chunk is then still waited for."""
        wait = self._session.wait()
        if wait is None and self._coming is None:
            return await anext(self._iterator)
        if self._coming is None:
            self._coming = asyncio.ensure_future(self._fetch())
        await asyncio.wait({self._coming}, timeout=wait)
        if not self._coming.done():
            return cast("C", _NOTHING_YET)
        coming, self._coming = self._coming, None
        return coming.result()

    async def _fetch(self) -> C:
        return await anext(self._iterator)

    async def _close_source(self) -> None:
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.wait({self._coming})
        for each in (self._iterator, self._source):
            close = getattr(each, "aclose", None) or getattr(each, "close", None)
            closing = None if close is None else close()
            if inspect.isawaitable(closing):
                await closing
