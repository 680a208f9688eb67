"""The generator over HTTP/2: a real server with TLS, its errors, and servers that have HTTP/1.1 only."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
import threading
from collections import Counter

import pytest

from unigurd_trainer.http.chat import ChatClient
from unigurd_trainer.http.dialect import Ask
from unigurd_trainer.http.errors import EndpointError
from unigurd_trainer.sdg.hooks import Request
from unigurd_trainer.sdg.llm import LlmGenerator
from unigurd_trainer.sdg.options import LlmOptions

pytest.importorskip("h2")
trustme = pytest.importorskip("trustme")
hypercorn = pytest.importorskip("hypercorn")

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # see `front`

ASK = Ask([{"role": "system", "content": "You edit"}, {"role": "user", "content": "Hi"}], "policy", {}, "tiny")


class Front:
    """Hypercorn before the small language model: it speaks TLS and HTTP/2, and notes what it is spoken to with."""

    def __init__(self, llm, fake, certificate, folder, **settings):
        self.versions: Counter[str] = Counter()
        self.connections: Counter[tuple[str, int]] = Counter()
        self._llm, self._fake = llm, fake
        listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{listening.getsockname()[1]}/v1"
        certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        config = hypercorn.Config()
        config.bind = [f"fd://{listening.detach()}"]
        config.certfile = config.keyfile = str(folder / "server.pem")
        config.errorlog = config.accesslog = None
        config.graceful_timeout = 0.2
        for name, value in settings.items():
            setattr(config, name, value)
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(config),), daemon=True)
        self._thread.start()

    def close(self):
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _serve(self, config):
        from hypercorn.asyncio import serve

        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        await serve(self._answer, config, shutdown_trigger=self._over.wait, mode="asgi")

    async def _answer(self, scope, receive, send):
        if scope["type"] != "http":
            return
        self.versions[scope["http_version"]] += 1
        self.connections[scope["client"]] += 1
        raw = b""
        while (message := await receive()).get("more_body") or message.get("body"):
            raw += message["body"]
            if not message["more_body"]:
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        call = self._fake.Call(json.loads(raw), headers, scope["path"], scope["http_version"], raw)
        reply = await asyncio.to_thread(self._llm.reply, call)
        body = (reply.body if isinstance(reply.body, str) else json.dumps(reply.body)).encode()
        fields = {"content-type": "application/json", "content-length": str(len(body)), **reply.headers}
        pairs = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
        if reply.cut == 0:
            raise RuntimeError("the server fails before it answers")
        await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
        await send({"type": "http.response.body", "body": body[: reply.cut], "more_body": reply.cut is not None})
        if reply.cut is not None:
            raise RuntimeError("the server fails within its answer")


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def front(llm, fake, authority, tmp_path, monkeypatch):
    """Start a server with TLS that the client trusts: `front(alpn_protocols=["http/1.1"])`."""
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    started = []

    def start(**settings):
        started.append(Front(llm, fake, authority.issue_cert("127.0.0.1"), tmp_path, **settings))
        return started[-1]

    yield start
    for server in started:
        server.close()
    # Hypercorn leaves coroutines of idle connections behind, which complain when they are collected: here, not later.
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    gc.collect()


def options(server, **changes):
    values = {"endpoint": server.url, "model": "tiny", "backoff": 0.001, "concurrency": 4, "http2": True}
    return LlmOptions(**(values | {"reflection_rounds": 0} | changes))


async def complete(server, **changes):
    async with ChatClient(options(server, **changes)) as client:
        return await client.complete(ASK), client


def test_a_data_set_is_written_over_one_http2_connection(front, llm, policy, tmp_path):
    server = front()
    request = Request(policy, 24, folder=tmp_path / "data", options=options(server, reflection_rounds=1))
    samples = [*LlmGenerator().generate(request)]
    assert len(samples) == 24 and sum(sample.label for sample in samples) == 12
    assert set(server.versions) == {"2"} and server.versions["2"] == len(llm.calls) > 4
    assert {call.version for call in llm.calls} == {"2"} and llm.busiest > 1
    assert len(server.connections) == 1


async def test_a_server_without_http2_is_spoken_to_as_before(front):
    server = front(alpn_protocols=["http/1.1"])
    answer, client = await complete(server)
    assert answer.text and client.retried == 0 and server.versions == {"1.1": 1}


async def test_http2_is_not_spoken_unless_asked_for(front):
    server = front()
    answer, _ = await complete(server, http2=False)
    assert answer.text and server.versions == {"1.1": 1}


@pytest.mark.parametrize("status", [429, 503])
async def test_what_passes_is_waited_for(front, llm, fake, status):
    server = front()
    llm.script = [fake.Reply(status, {"error": "busy"}, {"Retry-After": "0.01"}), fake.Reply(body="<html>")]
    answer, client = await complete(server)
    assert answer.text and client.retried == 2 and server.versions == {"2": 3}


@pytest.mark.parametrize("cut", [0, 10])
async def test_a_stream_that_breaks_is_tried_again(front, llm, fake, cut):
    server = front(keep_alive_timeout=0.2)
    llm.script = [fake.Reply(body={"text": "x" * 100}, cut=cut)]
    answer, client = await complete(server)
    assert answer.text and client.retried == 1 and server.versions == {"2": 2}


async def test_a_slow_stream_is_given_up_and_the_others_go_on(front, llm, fake):
    server, over = front(), threading.Event()

    def slow(call):
        over.wait(30)
        return fake.honest(call)

    llm.script = [slow]
    async with ChatClient(options(server, timeout=1)) as client:
        answers = await asyncio.gather(*(client.complete(ASK) for _ in range(4)))
        over.set()
        assert all(answer.text for answer in answers) and client.retried >= 1
    assert set(server.versions) == {"2"} and len(server.connections) == 1


async def test_a_server_that_closes_its_connections_loses_no_answer(front):
    server = front(keep_alive_max_requests=5)
    async with ChatClient(options(server, concurrency=2)) as client:
        answers = await asyncio.gather(*(client.complete(ASK) for _ in range(16)))
    assert len(answers) == 16 and all(answer.text for answer in answers)
    assert set(server.versions) == {"2"} and len(server.connections) > 2


async def test_a_denial_is_said_as_over_http1(front, llm, fake):
    server = front()
    llm.script = [fake.Reply(401, {"error": "bad key"})]
    with pytest.raises(EndpointError, match="denies access with status 401"):
        await complete(server)
    assert server.versions == {"2": 1}


async def test_a_certificate_that_nobody_vouches_for_is_refused(front, monkeypatch, tmp_path):
    server = front()
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    with pytest.raises(EndpointError, match="CERTIFICATE_VERIFY_FAILED"):
        await complete(server, retries=0)
    assert not server.versions
