"""What a frame's STAC item says about its version: the way back from the item to what publishing needs.

An item is read as strictly as it is written: what is not an item of this package is refused with a `ValueError`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from sbas_assets.published.product_version import ProductVersion
from sbas_assets.published.stac_assets import MANIFEST_SUFFIX, MULTIHASH
from sbas_assets.published.store import MANIFEST


def _moment(value: Any) -> datetime:
    # pydantic would take a number for seconds since 1970
    if not isinstance(value, str):
        raise ValueError("not a text with a date and a time")
    return datetime.fromisoformat(value)


Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class FrameVersion:
    """What an item says about a version of a frame.

    Parameters
    ----------
    frame, version : str
        The frame's key; the hash of its product versions.
    publication : int
        Number of the publication.
    created : datetime
        When the version was published first; has a time zone.
    predecessor, successor : str or None
        Versions before and after it.
    withheld : tuple of str
        Versions that are not to be published again.
    products : tuple of ProductVersion
        Sorted by name.
    """

    frame: str
    version: str
    publication: int
    created: datetime
    predecessor: str | None
    successor: str | None
    withheld: tuple[str, ...]
    products: tuple[ProductVersion, ...]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class _Link(_Part):
    rel: str
    href: str


class _Properties(_Part):
    version: Hex
    created: Moment
    frame: Name = Field(alias="sbas:frame")
    publication: Count = Field(alias="sbas:publication")
    withheld: list[Hex] = Field(alias="sbas:withheld")


class _Manifest(_Part):
    href: str
    version: Name
    product: Name = Field(alias="sbas:product")
    objects: Count = Field(alias="sbas:objects")
    n_bytes: Count = Field(alias="sbas:bytes")
    size: Count = Field(alias="file:size")
    checksum: str = Field(alias="file:checksum", pattern=f"^{MULTIHASH}[0-9a-f]{{64}}$")

    def stored(self, frame: str) -> ProductVersion:
        """Return the product version whose manifest this is."""
        *_, product, folder, name = ("", "", "", *self.href.split("/"))
        if product != self.product or not folder.startswith(self.version) or name != MANIFEST:
            raise ValueError(f"{self.href} is no manifest of version {self.version} of {self.product}")
        return ProductVersion(
            product=self.product,
            version=self.version,
            folder=f"{frame}/{product}/{folder}",
            manifest_sha256=self.checksum.removeprefix(MULTIHASH),
            manifest_size=self.size,
            n_objects=self.objects,
            n_bytes=self.n_bytes,
        )


class _Item(_Part):
    type: Literal["Feature"]
    properties: _Properties
    links: list[_Link]
    assets: dict[str, dict[str, Any]]


def decode_item(data: bytes) -> dict[str, Any]:
    """Return an item from its bytes.

    Raises
    ------
    ValueError
        They are not an item of a frame.
    """
    try:
        item = json.loads(data)
    except RecursionError as error:
        raise ValueError("not an item of a frame: nested too deeply") from error
    read_item(item)
    return dict(item)


def read_item(item: Any) -> FrameVersion:
    """Return what an item says about its version, wherever in the store it is.

    Parameters
    ----------
    item : mapping
        As `stac_item.make_item` made it, or as JSON holds it.

    Raises
    ------
    ValueError
        It is not an item of a frame.
    """
    try:
        found = _Item.model_validate(item)
        manifests = {name: asset for name, asset in found.assets.items() if name.endswith(MANIFEST_SUFFIX)}
        frame = found.properties.frame
        products = [_Manifest.model_validate(asset).stored(frame) for asset in manifests.values()]
    except ValidationError as error:
        raise ValueError(f"not an item of a frame: {_first(error)}") from error
    if not products or {f"{product.product}{MANIFEST_SUFFIX}" for product in products} != manifests.keys():
        raise ValueError("not an item of a frame: its manifests are not those of its products")
    return FrameVersion(
        frame=frame,
        version=found.properties.version,
        publication=found.properties.publication,
        created=found.properties.created,
        predecessor=_linked(found, "predecessor-version"),
        successor=_linked(found, "successor-version"),
        withheld=tuple(found.properties.withheld),
        products=tuple(sorted(products, key=lambda product: product.product)),
    )


def _linked(item: _Item, rel: str) -> str | None:
    hrefs = [link.href for link in item.links if link.rel == rel]
    if not hrefs:
        return None
    *_, version, name = ("", "", *hrefs[0].split("/"))
    if len(hrefs) > 1 or name != "item.json" or len(version) != 32 or set(version) - set("0123456789abcdef"):
        raise ValueError(f"not an item of a frame: link {rel} leads to {', '.join(hrefs)}")
    return version


def _first(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, fault['loc'])) or 'it'}: {fault['msg']}"
