"""What other people may read: texts without passwords and tokens.

A URI is hidden by what is known to be harmless, not by what is known to be secret.
"""

import re
import shlex
from collections.abc import Sequence
from urllib.parse import urlsplit

HIDDEN = "***"
USERS = ("postgresql", "mysql", "mssql", "http", "https", "hdfs", "sftp", "ftp")
"""Schemes whose user is a name where a password follows; S3's and others' is a part of a key."""
FILES = ("sqlite", "file")
"""Schemes behind which `@` and `#` are letters of a path."""
HARMLESS = {
    *("host", "port", "user", "dbname", "region", "scheme", "endpoint_override", "sslmode", "ssl"),
    *("charset", "driver", "connect_timeout", "timeout", "tls_ca_file_path", "sslrootcert"),
}
"""Parameters of a query whose values are shown."""
STORES = ("--mlflow-uri", "--store")
"""Options of the command line whose value is a URI, or was meant as one."""

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^\s'\"<>`]*")
_NAMED = re.compile(
    r"(?i)\b([\w\-]*(?:password|passwd|pwd|token|secret|access_key|api_?key|credential|signature)"
    r"[\w\-]*)(\s*=\s*|%3D)('[^']*'|\"[^\"]*\"|[^\s&;,'\"]+)"
)
_MAPPED = re.compile(
    r"(?i)([\"']?[\w\-]*(?:password|passwd|token|secret|api_?key|credential)[\w\-]*[\"']?\s*:\s*)"
    r"(\"[^\"]*\"|'[^']*')"
)
"""As mappings have them."""
_SHOWN = re.compile(r"\b(Basic|Bearer) (?=\S*[A-Z0-9=])[\w.~+/=\-]{8,}")
"""What a request says of who asks; servers and proxies quote it when they refuse."""
_TOKENS = re.compile(r"\b(?:gh[a-z]_|github_pat_|glpat-|hf_|xox[a-z]-|sk-|AKIA)[\w\-]{12,}")


def safe_uri(uri: str) -> str:
    """Without its password, its token and the values of parameters that may be one.

    The last `@` ends the user's part, since passwords are often written as they are; a user's part
    without a password is a token.
    """
    start = uri.find("://")
    scheme, rest = (uri[: start + 3], uri[start + 3 :]) if start >= 0 else ("", uri)
    kind = re.split(r"[+:]", scheme)[0].lower()
    if kind in FILES and rest.startswith("/"):
        return scheme + _safe_query(rest)
    user, at, place = rest.rpartition("@")
    name, colon, password = user.partition(":")
    shown = f"{name}:{HIDDEN}" if colon and password and kind in USERS else HIDDEN
    before, mark, _ = place.partition("#")
    place = _safe_query(before) + (f"#{HIDDEN}" if mark else "")
    return f"{scheme}{shown}@{place}" if at else scheme + place


def safe_text(text: str) -> str:
    """A text of several words, in which URIs and `password=…` may stand."""
    text = _SHOWN.sub(lambda found: f"{found[1]} {HIDDEN}", text)
    return _named_hidden(_URI.sub(lambda found: safe_uri(found[0]), text))


def safe_code(text: str) -> str:
    """A program's text, in which mappings with secrets, and bare tokens, may stand too."""
    mapped = _MAPPED.sub(lambda found: f"{found[1]}'{HIDDEN}'", safe_text(text))
    return _TOKENS.sub(HIDDEN, mapped)


def safe_command(words: Sequence[str]) -> str:
    """A command line as one types it."""
    before = ("", *words)
    return shlex.join(_safe_word(word, at) for word, at in zip(words, before, strict=False))


def without(text: str, uri: str) -> str:
    """A text in which somebody may have quoted a URI, or a part of its user's part."""
    text = text.replace(uri, safe_uri(uri))
    user = uri.partition("://")[2].rpartition("@")[0]
    parts = (user, user.partition(":")[2], urlsplit(uri).password or "")
    for part in sorted(filter(None, parts), key=len, reverse=True):
        text = text.replace(part, HIDDEN)
    return safe_text(text)


def _safe_word(word: str, before: str) -> str:
    if before in STORES:
        return safe_uri(word)
    name, equals, value = word.partition("=")
    if equals and name in STORES:
        return f"{name}={safe_uri(value)}"
    # One word: what follows a scheme belongs to the URI, blanks and quotes too.
    start = re.search(r"[A-Za-z][A-Za-z0-9+.\-]*://", word)
    return word[: start.start()] + safe_uri(word[start.start() :]) if start else safe_text(word)


def _safe_query(place: str) -> str:
    before, mark, query = place.partition("?")
    parts = re.split(r"([&;])", query)
    return _named_hidden(before) + mark + "".join(map(_safe_parameter, parts))


def _safe_parameter(part: str) -> str:
    name, equals, _ = part.partition("=")
    if part in ("", "&", ";") or (equals and name in HARMLESS):
        return part
    return f"{name}={HIDDEN}" if equals else HIDDEN


def _named_hidden(text: str) -> str:
    return _NAMED.sub(lambda found: f"{found[1]}{found[2]}{HIDDEN}", text)
