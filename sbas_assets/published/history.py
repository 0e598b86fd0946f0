"""The versions of a frame that a store holds, in the order of their publication."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sbas_assets.published.current import list_versions, read_current, read_tags, read_version
from sbas_assets.published.stac_reading import read_item
from sbas_assets.published.store import Store


@dataclass(frozen=True)
class KeptVersion:
    """One version of a frame.

    Parameters
    ----------
    version : str
        Data version, hexadecimal.
    publication : int
        Its number among the frame's publications.
    created : datetime
        When it was published first.
    current : bool
        Whether readers see it.
    withheld : bool
        Whether it was rolled back, and runs do not publish it again.
    tags : tuple of str
        Names that it has; a version with one stays.
    products : dict of str
        Data version of each product.
    n_bytes : int
        Size of all that it consists of; unchanged products are shared with other versions.
    """

    version: str
    publication: int
    created: datetime
    current: bool
    withheld: bool
    tags: tuple[str, ...]
    products: dict[str, str]
    n_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self) | {"created": self.created.isoformat(), "tags": list(self.tags)}


def read_history(store: Store, frame: str) -> list[KeptVersion]:
    """Return the versions of a frame, the newest first; empty when nothing is published.

    Raises
    ------
    OutsideError
        ``product-damaged``: an item cannot be read. Or a fault of the store.
    """
    current, tags = read_current(store, frame), read_tags(store, frame)
    shown = read_item(current.item) if current else None
    found = []
    for version in list_versions(store, frame):
        item = read_version(store, frame, version)
        # another process may remove it meanwhile
        if item is None:
            continue
        facts = read_item(item)
        found.append(
            KeptVersion(
                version=version,
                publication=facts.publication,
                created=facts.created,
                current=shown is not None and shown.version == version,
                withheld=shown is not None and version in shown.withheld,
                tags=tuple(sorted(tag for tag, named in tags.items() if named == version)),
                products={product.product: product.version for product in facts.products},
                n_bytes=sum(product.n_bytes for product in facts.products),
            )
        )
    return sorted(found, key=lambda kept: kept.publication, reverse=True)
