"""`verify`: exit 0 only when all that is published is right; else which product, and which object of it."""

from __future__ import annotations

import h5py
import pytest

from sbas_assets_tests.cli.conftest import KEY, PRODUCTS, Call, Frame, reliable, version_of


def test_verify_reads_everything_and_compares_what_is_at_hand(two_versions: Frame, sbas: Call) -> None:
    done = sbas("verify", KEY, root=two_versions.root)
    assert done.code == 0, done.err
    assert done.out.count("whole, and equal to its HDF5 file") == len(PRODUCTS)
    assert sbas("verify", KEY, "--json", root=two_versions.root).json == {"item": [], **{name: [] for name in PRODUCTS}}
    # of the products that changed, the files are those of the second version
    older = sbas("verify", KEY, "--version", two_versions.first[:6], root=two_versions.root)
    assert older.code == 0, older.err
    assert older.out.count("whole, and equal to its HDF5 file") == len(PRODUCTS) - 3
    assert sum(line.split()[-1:] == ["whole"] for line in older.out.splitlines()) == 3


@pytest.mark.parametrize("damage", ["lost", "changed", "planted", "manifest"])
def test_verify_ends_with_2_and_names_product_and_object(frame: Frame, call: Call, damage: str) -> None:
    folder = frame.store / "velocity" / version_of(call, "velocity")
    chunk = folder / "data.zarr" / "velocity" / "c" / "0" / "0"
    name = "data.zarr/velocity/c/0/0"
    if damage == "lost":
        chunk.unlink()
        told = f"{name} is missing"
    elif damage == "changed":
        content = bytearray(chunk.read_bytes())
        content[40] ^= 1
        chunk.write_bytes(bytes(content))
        told = f"{name} has other content than was published"
    elif damage == "planted":
        (chunk.parent / "9").write_bytes(b"late")
        told = "data.zarr/velocity/c/0/9 is not in the manifest"
    else:
        (folder / "manifest.json").unlink()
        told = f"{KEY}/velocity/{folder.name}/manifest.json is missing"
    done = call("verify", KEY, "--json")
    assert done.code == 2
    assert done.json == {"item": [], **{product: [] for product in PRODUCTS}, "velocity": [told]}
    shown = call("verify", KEY)
    assert shown.code == 2
    (line,) = (line for line in shown.out.splitlines() if line.split()[:1] == ["velocity"])
    assert told in line
    # the version before shares other products only
    assert call("verify", KEY, "--version", frame.first).code == 0
    # who goes back to it has what he wants; the damaged one is not gone back to
    assert call("rollback", KEY, frame.first).code == 0
    refused = call("rollback", KEY, frame.second)
    assert refused.code == 2
    assert "[product-damaged]" in refused.err
    assert frame.seen() == frame.first
    # a run makes it whole where it is
    assert call("publish", KEY).code == 0
    assert call("verify", KEY).code == 0
    assert frame.seen() == frame.second


def test_verify_tells_of_a_number_that_the_file_does_not_have(frame: Frame, call: Call) -> None:
    with h5py.File(frame.root / "work" / KEY / "geo" / "geo_velocity.h5", "r+") as file:
        file["velocity"][5, 5] = 7
    done = call("verify", KEY, "--json")
    assert done.code == 2
    assert "velocity differs in 1 of " in done.json["velocity"][0]


@pytest.mark.parametrize("content", [b"", b"{", b"[]"])
def test_an_item_that_is_none_is_told_by_every_command_and_published_again(
    frame: Frame, call: Call, content: bytes
) -> None:
    item, place = frame.store / "item.json", reliable(frame)
    before = item.read_bytes()
    item.write_bytes(content)
    assert call("verify", KEY).code == 2
    assert "item cannot be read" in call("verify", KEY, "--json").json["item"][0]
    for words in (("versions", KEY), ("rollback", KEY, frame.first), ("point", KEY, *place)):
        done = call(*words)
        assert done.code == 2
        assert f"[product-damaged] frame {KEY}: {item}: the item cannot be read" in done.err
    assert call("publish", KEY).code == 0
    assert item.read_bytes() == before
