"""Encodings that a model can be asked to undo: base64, hexadecimal, percent and escape sequences.

Each is decoded in place, where it is found, and only if the outcome reads as a text.
"""

from __future__ import annotations

import binascii
import codecs
import html
import re
from urllib.parse import unquote_plus

from unigurd_sdk.views.readable import readable
from unigurd_sdk.views.rewrite import Rewrite, substitute

__all__ = ["base64", "escapes", "hexadecimal", "url"]

_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}(?:\r?\n[A-Za-z0-9+/_-]{4,}(?=[ \t]*(?:[\r\n=]|\Z)))*={0,2}"
)
_WORDLIKE = re.compile(r"[A-Za-z]?[a-z]*(?:[-_/][A-Z]?[a-z]*)*|[0-9]+")  # a word, a path or a number
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:(?:0x|\\x)?[0-9A-Fa-f]{2}[\s,:;-]?){8,}(?![0-9A-Za-z])")
_HEX_FILL = re.compile(r"0x|\\x|[\s,:;-]")
_URL = re.compile(r"(?<!\S)\S*%[0-9A-Fa-f]{2}\S*")
_ESCAPES = re.compile(
    r"(?P<html>(?:&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)+)"
    r"|(?P<utf16>(?:\\u[0-9A-Fa-f]{4})+)|(?P<bytes>(?:\\x[0-9A-Fa-f]{2})+)|(?P<code>(?:\\U[0-9A-Fa-f]{8}|\\u\{[0-9A-Fa-f]{1,6}\})+)"
)
_CODE = re.compile(r"[0-9A-Fa-f]{1,8}")
_SPACES = re.compile(r"\s+")


def base64(text: str) -> Rewrite | None:
    """Decode base64 of at least 16 characters, in both alphabets, also if it was shifted by rot13."""
    return substitute(_BASE64, text, _from_base64)


def hexadecimal(text: str) -> Rewrite | None:
    """Decode eight or more bytes in hexadecimal, joined or apart, with or without 0x."""
    return substitute(_HEX, text, _from_hex)


def url(text: str) -> Rewrite | None:
    """Decode percent escapes, and plus signs as spaces in the words that have them."""
    return substitute(_URL, text, _unquoted) if "%" in text else None


def escapes(text: str) -> Rewrite | None:
    """Decode HTML entities and the escape sequences of programming languages."""
    return substitute(_ESCAPES, text, _unescaped) if "&" in text or "\\" in text else None


def _from_base64(match: re.Match[str]) -> str | None:
    """Decode all lines of the match, or at least the first one: words may follow it."""
    first, end, rest = match[0].partition("\n")
    if _WORDLIKE.fullmatch(first):
        return None
    text = _decoded(match[0])
    if text is None and rest:
        text = _decoded(first)
        return None if text is None else text + end + rest
    return text


def _decoded(found: str) -> str | None:
    digits = _SPACES.sub("", found).rstrip("=").replace("-", "+").replace("_", "/")
    for candidate in (digits, codecs.encode(digits, "rot13")):
        whole = candidate[:-1] if len(candidate) % 4 == 1 else candidate
        text = readable(binascii.a2b_base64(whole + "=" * (-len(whole) % 4)))
        if text is not None:
            return text
    return None


def _from_hex(match: re.Match[str]) -> str | None:
    digits = _HEX_FILL.sub("", match[0])
    return readable(bytes.fromhex(digits)) if len(digits) % 2 == 0 else None


def _unquoted(match: re.Match[str]) -> str | None:
    try:
        return unquote_plus(match[0], errors="strict")
    except UnicodeDecodeError:
        return None


def _unescaped(match: re.Match[str]) -> str | None:
    if match["html"]:
        return html.unescape(match["html"])
    if match["utf16"]:
        data = bytes.fromhex(match["utf16"].replace("\\u", ""))
        return data.decode("utf-16-be", "surrogatepass")
    if match["bytes"]:
        return readable(bytes.fromhex(match["bytes"].replace("\\x", "")))
    codes = [int(code, 16) for code in _CODE.findall(match["code"].replace("\\U", " ").replace("\\u", " "))]
    return "".join(map(chr, codes)) if max(codes) < 0x110000 else None
