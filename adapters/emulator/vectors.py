"""Embeddings that mean a little."""

import hashlib
import math


def embed(text: str, size: int) -> list[float]:
    """A unit vector; texts that share words point the same way."""
    vector = [0.0] * size
    for word in text.lower().split():
        digest = hashlib.sha256(word.encode()).digest()
        for start in range(0, 24, 4):
            place = int.from_bytes(digest[start : start + 3], "big") % size
            vector[place] += 1.0 if digest[start + 3] & 1 else -1.0
    length = math.sqrt(sum(one * one for one in vector)) or 1.0
    return [one / length for one in vector]
