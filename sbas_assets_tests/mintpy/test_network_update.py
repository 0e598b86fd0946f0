"""An update of the network reads the last pairs only, and has the bytes of a look at all of them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from sbas_assets import digests as digests_module
from sbas_assets.digests import Digests
from sbas_assets.errors import InputError
from sbas_assets.mintpy import network_state
from sbas_assets.mintpy.network import NETWORK
from sbas_assets.mintpy.session import run_in_folder
from sbas_assets.mintpy.workfolder import NETWORK_STATE
from sbas_assets.provenance import damaged_outputs, read_record
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets.step import Outcome
from sbas_assets.transaction import execute
from sbas_assets_tests.mintpy.loading_at_work import Loader
from sbas_assets_tests.mintpy.stack_deliveries import Delivery
from sbas_assets_tests.mintpy.test_network_and_unwrapping import OVERVIEW, mintpys_overview, read
from sbas_assets_tests.mintpy.updates_at_work import (
    RUN,
    UP_TO_NETWORK,
    as_one_file,
    at_once,
    bytes_read,
    images_read,
    killed_at,
    made,
    products,
    recorded,
    require_network_as_at_once,
    update,
)

DATES = regular_dates("20200511", 11, 24)
LENGTH, WIDTH = 60, 64
POINT = {"mintpy.reference.yx": "20, 16"}
COHERENT = {"mintpy.network.coherenceBased": "yes", "mintpy.network.minCoherence": "0.8"}
OPTIONS = {"none": {}, "by coherence": COHERENT, "by area": {"mintpy.network.areaRatioBased": "yes"}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("network") / "whole"
    simulate_stack(SimulationConfig(length=LENGTH, width=WIDTH, dates=DATES, seed=5), folder)
    return folder


@pytest.fixture
def network(delivery: Delivery, loader: Loader) -> Loader:
    """Of all dates but the last."""
    loader.options = POINT
    delivery.bring(delivery.among(DATES[:-1]))
    assert not_updated(update(loader)) == "there is no earlier version"
    return loader


def not_updated(outcome: Outcome) -> str:
    metrics = outcome.record.metrics
    assert metrics["pairs_read"] == metrics["pairs_kept"] + metrics["pairs_dropped"]
    return str(metrics["not_updated"])


@pytest.mark.parametrize("chosen", OPTIONS)
def test_date_by_date_all_files_are_those_of_a_stack_that_was_there_at_once(
    delivery: Delivery, loader: Loader, chosen: str, tmp_path: Path
) -> None:
    loader.options = OPTIONS[chosen] | POINT
    reasons = []
    for number in range(5, len(DATES) + 1):
        delivery.bring(delivery.among(DATES[:number]))
        reasons.append(update(loader).record.metrics.get("not_updated"))
    dropped = recorded(loader, NETWORK).metrics["pairs_dropped"]
    assert (dropped > 0) == (chosen != "none")
    if chosen == "none":
        assert reasons == ["there is no earlier version"] + [None] * (len(DATES) - 5)
    require_network_as_at_once(loader, tmp_path / "at once")


def test_mean_coherence_is_computed_of_new_pairs_only_and_is_mintpys(
    delivery: Delivery, loader: Loader, tmp_path: Path
) -> None:
    loader.options = COHERENT | POINT | {"mintpy.network.minCoherence": "0.1"}
    delivery.bring(delivery.among(DATES[:-1]))
    update(loader)
    delivery.bring(delivery.among(DATES))
    assert update(loader).record.metrics["pairs_read"] < len(delivery.pairs) / 2
    table = (loader.root / "coherenceSpatialAvg.txt").read_bytes()
    assert table.count(b"\n") == len(delivery.pairs) + 5
    with h5py.File(loader.root / NETWORK_STATE) as h5:
        means = network_state.json.loads(h5["about"][:].tobytes())["means"]["values"]
    with h5py.File(loader.root / "inputs/ifgramStack.h5") as h5:
        expected = [np.nanmean(np.where(image != 0, image, np.nan)) for image in h5["coherence"][:]]
    np.testing.assert_allclose([mean for _, mean in means.values()], expected, rtol=1e-6)
    # by other pixels
    loader.options = {**loader.options, "mintpy.network.aoiYX": "5:50,5:50"}
    assert update(loader).record.metrics["pairs_read"] == len(delivery.pairs)
    require_network_as_at_once(loader, tmp_path / "at once")


def test_an_update_reads_the_images_of_the_last_pairs_only(
    delivery: Delivery, network: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery.bring(delivery.among(DATES))
    network.load(UP_TO_NETWORK[:-1])
    with images_read(monkeypatch) as found:
        outcome = execute(NETWORK, network.frame, RUN)
    begin = {pair for pair in delivery.pairs if pair[:8] >= DATES[-5]}
    # and those that close a triangle with them: with four dates between there is none
    close = {pair for pair in delivery.pairs if pair[9:] >= DATES[-5] and pair != f"{DATES[-8]}_{DATES[-5]}"}
    assert outcome.record.metrics["pairs_read"] == len(begin) == 9
    assert found == {"coherence": begin, "connectComponent": begin, "unwrapPhase": close}


def test_an_update_reads_few_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests_module, "SETTLED_NS", 0)
    dates, shape = regular_dates("20200511", 22, 24), (160, 200)
    simulate_stack(SimulationConfig(length=shape[0], width=shape[1], dates=dates, seed=5), tmp_path / "whole")
    delivery = Delivery.begin(tmp_path / "whole", tmp_path / "stack")
    loader = Loader(tmp_path, delivery.stack)
    read_by = []
    for shown in (dates[:-1], dates):
        delivery.bring(delivery.among(shown))
        loader.load(UP_TO_NETWORK[:-1])
        execute(UP_TO_NETWORK[1], loader.frame, RUN)
        before = bytes_read()
        execute(NETWORK, loader.frame, RUN)
        read_by.append(bytes_read() - before)
    pixels = shape[0] * shape[1]
    # 15 phases, 9 coherences, 9 components, what was kept twice, and room for the maps and the fonts of the picture
    assert read_by[1] < pixels * (15 * 4 + 9 * 6 + 2 * 23) + 12e6
    assert read_by[1] < read_by[0]


def test_an_updated_overview_is_mintpys(delivery: Delivery, network: Loader, folder: Path, log: Path) -> None:
    delivery.bring(delivery.among(DATES))
    assert "not_updated" not in update(network).record.metrics
    as_one_file(network, folder)
    shutil.copy(network.root / "avgSpatialCoh.h5", folder)
    run_in_folder(folder, log, lambda: mintpys_overview(folder))
    for name, dataset in OVERVIEW.items():
        assert read(network.root / name, dataset).tobytes() == read(folder / f"theirs_{name}", dataset).tobytes(), name


def test_the_last_date_may_change(delivery: Delivery, network: Loader, tmp_path: Path) -> None:
    delivery.replace(next(pair for pair in delivery.pairs if DATES[-2] in pair), by=3.0)
    assert "not_updated" not in update(network).record.metrics
    require_network_as_at_once(network, tmp_path / "replaced")
    delivery.bring(delivery.among(DATES))
    update(network)
    delivery.withdraw([pair for pair in delivery.pairs if DATES[-2] in pair and DATES[-1] in pair])
    assert "not_updated" not in update(network).record.metrics
    require_network_as_at_once(network, tmp_path / "withdrawn")


def other_content(delivery: Delivery, _: Loader) -> None:
    delivery.replace(delivery.pairs[1])


def back_filled(delivery: Delivery, network: Loader) -> None:
    delivery.withdraw([pair for pair in delivery.pairs if DATES[4] in pair])
    update(network)
    delivery.bring(delivery.among(DATES[:-1]))


def one_less(delivery: Delivery, _: Loader) -> None:
    delivery.withdraw(delivery.pairs[1:2])


def dropped(_: Delivery, network: Loader) -> None:
    network.options = POINT | {"mintpy.network.excludeDate12": f"{DATES[1]}_{DATES[3]}"}


def fewer_dates(delivery: Delivery, _: Loader) -> None:
    delivery.withdraw([pair for pair in delivery.pairs if DATES[-2] in pair])


@pytest.mark.parametrize("change", [other_content, back_filled, one_less, dropped, fewer_dates])
def test_earlier_pairs_that_came_went_or_changed_are_looked_at_with_all(
    change: object, delivery: Delivery, network: Loader, tmp_path: Path
) -> None:
    change(delivery, network)  # type: ignore[operator]
    outcome = update(network)
    assert "came, went or changed" in outcome.record.metrics["not_updated"]
    require_network_as_at_once(network, tmp_path / "at once")


def test_another_reference_point_leaves_coherence_and_masks_as_they_are(
    delivery: Delivery, network: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.options = {"mintpy.reference.yx": "21, 16"}
    with images_read(monkeypatch) as found:
        assert not_updated(update(network)) == "other reference point"
    assert len(found["coherence"]) < len(found["unwrapPhase"]) == len(delivery.pairs)
    require_network_as_at_once(network, tmp_path / "at once")


def test_other_code_or_another_mintpy_begins_anew(network: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    later = replace(NETWORK, code_version="later")
    assert not_updated(made(network, (later,))) == "other code version"
    with monkeypatch.context() as patched:
        patched.setattr(network_state, "version", lambda _: "9.9")
        assert not_updated(made(network, (replace(later, options=NETWORK.options[1:]),))) == "other mintpy"
    monkeypatch.setattr(network_state, "STATE_VERSION", 99)
    assert not_updated(made(network, (later,))) == "another version of this package made it"


@pytest.mark.parametrize("content", [None, b"", b"no HDF5"])
def test_a_state_that_is_damaged_or_gone_is_not_believed(
    content: bytes | None, delivery: Delivery, network: Loader, tmp_path: Path
) -> None:
    state = network.root / NETWORK_STATE
    state.unlink() if content is None else state.write_bytes(content)
    delivery.bring(delivery.among(DATES))
    assert not_updated(update(network)).startswith("what the last version kept is damaged (.sbas/network_state.h5")
    require_network_as_at_once(network, tmp_path / "at once")
    assert network.load(UP_TO_NETWORK)[-1].how == "reused"


def test_one_changed_number_in_the_state_is_noticed(delivery: Delivery, network: Loader, tmp_path: Path) -> None:
    with h5py.File(network.root / NETWORK_STATE, "r+") as h5:
        h5["coverage_total"][3, 3] += 1
    delivery.bring(delivery.among(DATES))
    assert "damaged" in not_updated(update(network))
    require_network_as_at_once(network, tmp_path / "at once")


def test_pairs_whose_contents_are_not_known_are_all_read_and_nothing_is_kept(
    delivery: Delivery, network: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_state, "loaded_identities", lambda _: {})
    delivery.bring(delivery.among(DATES))
    assert not_updated(update(network)) == "what old pairs consist of is not known of each alone"
    assert not (network.root / NETWORK_STATE).exists()


def test_a_pinned_point_that_a_new_pair_lacks_is_told_and_nothing_is_moved(delivery: Delivery, network: Loader) -> None:
    network.options = {}
    update(network)
    before = products(network), network.frame.workspace.pin.read_bytes()
    point = recorded(network, NETWORK).facts["reference_point"]
    delivery.bring(delivery.among(DATES))
    image = delivery.stack / f"merged/interferograms/{DATES[-2]}_{DATES[-1]}/filt_fine.unw"
    data = np.fromfile(image, "<f4").reshape(LENGTH, 2, WIDTH)
    data[point["row"], 1, point["column"]] = 0
    image.write_bytes(data.tobytes())
    with pytest.raises(InputError) as caught:
        update(network)
    assert caught.value.code == "reference-point-lost"
    assert "mintpy.reference.yx" in str(caught.value.mend)
    assert (products(network), network.frame.workspace.pin.read_bytes()) == before


def test_a_pinned_point_that_has_become_incoherent_is_told_and_stays(delivery: Delivery, network: Loader) -> None:
    network.options = {}
    update(network)
    point = recorded(network, NETWORK).facts["reference_point"]
    delivery.bring(delivery.among(DATES))
    for pair in delivery.among(DATES[-4:]):
        image = delivery.stack / f"merged/interferograms/{pair}/filt_fine.cor"
        data = np.fromfile(image, "<f4").reshape(LENGTH, -1, WIDTH)
        data[point["row"], -1, point["column"]] = 0.01
        image.write_bytes(data.tobytes())
    network.load(UP_TO_NETWORK[:-1])
    warnings: list[str] = []
    outcome = execute(NETWORK, network.frame, replace(RUN, warn=warnings.append))
    assert outcome.record.facts["reference_point"] == point
    assert len(warnings) == 1
    assert warnings[0].startswith("reference-coherence-low: the pinned reference point")
    assert "remove reference_point.json to choose again" in warnings[0]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_an_update_killed_at_any_moment_leaves_the_old_version_or_none(
    delivery: Delivery, network: Loader, tmp_path: Path, exhaustive: bool
) -> None:
    delivery.bring(delivery.among(DATES))
    network.load(UP_TO_NETWORK[:-1])
    right = products(at_once(network, tmp_path / "at once", UP_TO_NETWORK))
    old = products(network)
    for moment in range(1, 200, 1 if exhaustive else 7):
        copy = Loader(tmp_path / "killed", network.stack, network.options)
        shutil.copytree(network.folder / "root", copy.folder / "root")
        if not killed_at(copy, NETWORK, moment):
            break
        record = read_record(copy.frame.workspace, NETWORK.name)
        if record is not None:
            assert damaged_outputs(Digests(), copy.frame.workspace, record) == []
            assert products(copy) in [old, right]
        execute(NETWORK, copy.frame, RUN)
        assert products(copy) == right
        shutil.rmtree(copy.folder)
    assert moment > 20
