"""Short fingerprints of texts."""

from __future__ import annotations

import hashlib


def digest(text: str) -> str:
    """A short fingerprint of a text, equal in every process."""
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
