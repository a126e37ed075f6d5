"""A Merkle tree over messages of a batch: one root for all of them, and for each a proof that it is among them.

Leaves and nodes are hashed apart (a zero and a one byte before them), so no node can pass for a leaf. A proof is the hashes beside
the way from the leaf to the root, nearest first.

Source: RFC 6962 sections 2.1 and 2.1.1 (SHA-256, left subtree of the largest power of two below the count), read 2026-11-28.
"""

from collections.abc import Sequence
from hashlib import sha256

HASH_BYTES = 32


def leaf_of(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + data).digest()


def tree_of(leaves: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """Return (root, proof for each leaf) of one or more leaves."""
    proofs: list[list[bytes]] = [[] for _ in leaves]
    level = [(leaf, range(place, place + 1)) for place, leaf in enumerate(leaves)]
    while len(level) > 1:
        above = []
        for place in range(0, len(level) - 1, 2):
            (left, lefts), (right, rights) = level[place], level[place + 1]
            for index in lefts:
                proofs[index].append(right)
            for index in rights:
                proofs[index].append(left)
            above.append((sha256(b"\x01" + left + right).digest(), range(lefts.start, rights.stop)))
        if len(level) % 2:
            # A subtree without a neighbour goes up as it is: the same as splitting at the largest power of two.
            above.append(level[-1])
        level = above
    return level[0][0], [b"".join(proof) for proof in proofs]


def root_by(leaf: bytes, index: int, count: int, proof: bytes) -> bytes | None:
    """Return the root that a proof leads to; None where it is no proof for that place among so many."""
    if not 0 <= index < count or len(proof) % HASH_BYTES:
        return None
    at, node, last = 0, leaf, count - 1
    while last:
        if index & 1 or index < last:
            beside = proof[at : at + HASH_BYTES]
            if len(beside) != HASH_BYTES:
                return None
            node = sha256(b"\x01" + (beside + node if index & 1 else node + beside)).digest()
            at += HASH_BYTES
        index, last = index >> 1, last >> 1
    return node if at == len(proof) else None
