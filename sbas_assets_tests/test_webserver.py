"""The real webserver, started with workspace.yaml: add a partition, materialize everything, read what it shows."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from sbas_assets.definitions import JOB
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.frames_at_work import asset_names
from sbas_assets_tests.installation import SELECTOR, Installation, installation

pytestmark = pytest.mark.long

KEY = "T071D_web"

ADD_PARTITION = """mutation($p: String!, $k: String!, $r: RepositorySelector!) {
  addDynamicPartition(partitionsDefName: $p, partitionKey: $k, repositorySelector: $r) {
    __typename ... on PythonError { message } } }"""
LAUNCH = """mutation($e: ExecutionParams!) { launchRun(executionParams: $e) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status tags { key value } } } }"
ASSET = """query($k: AssetKeyInput!, $p: [String!]) { assetOrError(assetKey: $k) { ... on Asset {
  assetMaterializations(limit: 1, partitions: $p) { runId partition metadataEntries {
    label ... on MarkdownMetadataEntry { mdStr } ... on FloatMetadataEntry { floatValue }
    ... on IntMetadataEntry { intValue } ... on TextMetadataEntry { text } } } } } }"""
NODES = """query { assetNodes { assetKey { path } groupName kinds description
  owners { ... on TeamAssetOwner { team } } isPartitioned isMaterializable hasMaterializePermission } }"""
CHECKS = """query($k: AssetKeyInput!) { assetNodeOrError(assetKey: $k) { ... on AssetNode {
  assetChecksOrError { ... on AssetChecks { checks { name blocking
    executionForLatestMaterialization { status } } } } } } }"""


@pytest.fixture(scope="module")
def webserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    root = tmp_path_factory.mktemp("web")
    stack = root / "stack"
    simulate_stack(SimulationConfig(length=72, width=80, dates=regular_dates("20200511", 6, 24), seed=6), stack)
    # sensors that look seldom leave the frame to the test
    with installation(root / "root", SBAS_SENSORS_INTERVAL="3600") as made:
        made.configure(KEY, stack)
        made.start("webserver")
        # runs are queued, so that each frame has one at a time: the daemon takes them from the queue
        made.start("daemon")
        made.wait(made.is_up)
        yield made


def wait_for(webserver: Installation, run_id: str) -> dict[str, Any]:
    ended = {"SUCCESS", "FAILURE", "CANCELED"}
    webserver.wait(lambda: webserver.ask(STATUS, id=run_id)["runOrError"]["status"] in ended)
    return dict(webserver.ask(STATUS, id=run_id)["runOrError"])


@pytest.fixture(scope="module")
def materialized(webserver: Installation) -> str:
    added = webserver.ask(ADD_PARTITION, p="frame", k=KEY, r=SELECTOR)
    # the sensor that looks for new frames may have been first
    known = {"AddDynamicPartitionSuccess", "DuplicateDynamicPartitionError"}
    assert added["addDynamicPartition"]["__typename"] in known
    execution = {
        "selector": {**SELECTOR, "jobName": JOB},
        "mode": "default",
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": KEY}]},
    }
    launched = webserver.ask(LAUNCH, e=execution)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = str(launched["run"]["runId"])
    run = wait_for(webserver, run_id)
    assert run["status"] == "SUCCESS", (webserver.root / "webserver.log").read_text()[-4000:]
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    assert tags["sbas/frame"] == KEY
    assert tags["sbas/track"] == "71"
    return run_id


def metadata(webserver: Installation, asset: str) -> dict[str, Any]:
    found = webserver.ask(ASSET, k={"path": [asset]}, p=[KEY])["assetOrError"]["assetMaterializations"]
    values = {}
    for entry in found[0]["metadataEntries"]:
        values[entry["label"]] = next((v for k, v in entry.items() if k != "label" and v is not None), None)
    return values


def test_every_asset_says_what_it_is_and_who_owns_it(webserver: Installation) -> None:
    nodes = {node["assetKey"]["path"][0]: node for node in webserver.ask(NODES)["assetNodes"]}
    assert nodes.keys() == asset_names() | {"topsStack"}
    groups = {node["groupName"] for node in nodes.values()}
    assert groups == {"source", "weather", "stack", "timeseries", "velocity", "geo", "export", "published"}
    for name, node in nodes.items():
        assert node["description"], name
        assert node["kinds"], name
        assert node["owners"] == [{"team": "insar"}], name
        assert node["isPartitioned"], name
    assert not nodes["topsStack"]["isMaterializable"]


def test_a_materialized_asset_shows_numbers_with_units_and_a_picture(
    webserver: Installation, materialized: str
) -> None:
    shown = metadata(webserver, "velocity")
    assert shown["outcome"] == "made"
    assert -200 < shown["velocity_min_mm_per_year"] < -20
    assert shown["first_made_by_run"] == materialized
    picture = shown["picture"]
    assert picture.startswith("![picture](data:image/png;base64,")
    png = base64.b64decode(picture.split(",", 1)[1].rstrip(")"))
    assert png.startswith(b"\x89PNG")
    assert len(png) <= 100_000


def test_the_stack_has_its_fingerprint_as_data_version(webserver: Installation, materialized: str) -> None:
    shown = metadata(webserver, "topsStack")
    assert shown["pairs"] == 12
    record = json.loads((webserver.root / "work" / KEY / ".sbas" / "records" / "topsStack.json").read_text())
    query = """query($k: AssetKeyInput!, $p: [String!]) { assetOrError(assetKey: $k) { ... on Asset {
      assetMaterializations(limit: 1, partitions: $p) { tags { key value } } } } }"""
    found = webserver.ask(query, k={"path": ["topsStack"]}, p=[KEY])["assetOrError"]["assetMaterializations"][0]
    tags = {tag["key"]: tag["value"] for tag in found["tags"]}
    assert tags["dagster/data_version"] == record["data_version"]


def test_the_checks_have_passed_and_the_right_ones_block(webserver: Installation, materialized: str) -> None:
    seen = {}
    for asset in ("topsStack", "network", "timeseries", "velocity", "zarr_velocity"):
        checks = webserver.ask(CHECKS, k={"path": [asset]})["assetNodeOrError"]["assetChecksOrError"]["checks"]
        for check in checks:
            if check["name"] != "frames_current":
                seen[check["name"]] = (check["blocking"], check["executionForLatestMaterialization"]["status"])
    assert seen == {
        "preflight": (True, "SUCCEEDED"),
        "network_connected": (True, "SUCCEEDED"),
        "reference_coherent": (False, "SUCCEEDED"),
        "reliable_pixels": (True, "SUCCEEDED"),
        "temporal_coherence": (False, "SUCCEEDED"),
        "velocity_in_bounds": (False, "SUCCEEDED"),
        "zarr_equals_hdf5": (True, "SUCCEEDED"),
    }
