"""What the services are given that would not follow from the seed otherwise: keys, nonces, and a catalogue without an entry."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.catalogue import PriceEntry, ProductEntry, Promotion, TaxRates
from schemas.stock import Reservation, Shelf
from store.sealing import KeyVault, OrderKey


@dataclass(frozen=True)
class SeededKey(OrderKey):
    """An order's key whose nonces follow from what is sealed: the same run leaves the same bytes."""

    def seal(self, plain: bytes, place: str) -> bytes:
        nonce = sha256(place.encode() + plain).digest()[:12]
        return nonce + self.cipher.encrypt(nonce, plain, self.order_id.bytes + place.encode())


class SeededVault(KeyVault):
    """Keys that follow from their order."""

    def create(self, order_id: UUID) -> OrderKey:
        return self._key(order_id)

    def unwrap(self, order_id: UUID, wrapped: bytes) -> OrderKey:
        key = self._key(order_id)
        return key if wrapped == key.wrapped else super().unwrap(order_id, wrapped)

    @staticmethod
    def _key(order_id: UUID) -> OrderKey:
        data_key = sha256(order_id.bytes).digest()
        return SeededKey(order_id, AESGCM(data_key), b"wrapped" + data_key)


VAULT = SeededVault(bytes(32))


class NoCatalogue:
    """A catalogue without an entry: quantities keep their sold price."""

    def goods(self, skus: Collection[str]) -> tuple[list[ProductEntry], list[PriceEntry]]:
        return [], []

    def promotions(self, codes: Collection[str]) -> list[Promotion]:
        return []

    def promotions_of(self, carried: Collection[tuple[str, int]]) -> list[Promotion]:
        return []

    def uses(self, codes: Collection[str]) -> Mapping[str, int]:
        return {}

    def tax_rates(self, areas: Collection[str]) -> list[TaxRates]:
        return []

    def shelves(self, skus: Collection[str], *, to_promise: bool) -> list[Shelf]:
        return []

    def held(self, order_ids: Collection[UUID]) -> list[Reservation]:
        return []
