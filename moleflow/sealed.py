"""JSON that shows damage: its last member is the SHA-256 of every byte before it.

It says nothing of who wrote it: whoever changes a file on purpose can seal it anew. It finds what
disks, power cuts, editors and scripts do to files.
"""

import hashlib

BEFORE, AFTER = b',\n "sha256": "', b'"\n}\n'
LENGTH = len(BEFORE) + 64 + len(AFTER)


def seal(text: str) -> bytes:
    """A file's content, of the text of a JSON object that is not empty."""
    body = text.rstrip().removesuffix("}").rstrip().encode()
    return body + BEFORE + hashlib.sha256(body).hexdigest().encode() + AFTER


def unsealed(content: bytes) -> bytes:
    """The JSON object in a file's content.

    Raises:
        ValueError: with what is wrong, as the end of a sentence.
    """
    if not content.strip(b"\0 \r\n"):
        raise ValueError("is empty" if not content else "holds nothing but zeros or blanks")
    body, end = content[:-LENGTH], content[-LENGTH:]
    if not (end.startswith(BEFORE) and end.endswith(AFTER)):
        raise ValueError(
            "does not end with a checksum: it was cut off, or moleflow did not write it"
        )
    if hashlib.sha256(body).hexdigest().encode() != end[len(BEFORE) : -len(AFTER)]:
        raise ValueError("does not match its checksum: it was changed since it was written")
    return body + b"\n}"
