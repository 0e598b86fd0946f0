"""The files of deploy/: what can be known of them without a container engine.

The classes that Dagster's settings name are made, because a wrong module or driver shows up there and not in the
schema. SQLAlchemy makes an engine without a server.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config
from dagster._core.instance.ref import InstanceRef

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
LOCAL = ROOT / "sbas_assets" / "commands" / "dagster.yaml"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


COMPOSE = read(DEPLOY / "docker-compose.yaml")


@pytest.fixture
def database(monkeypatch, tmp_path):
    for name in ("HOST", "USER", "PASSWORD", "DB"):
        monkeypatch.setenv(f"DAGSTER_PG_{name}", "localhost")
    monkeypatch.setenv("SBAS_COMPUTE_LOGS", str(tmp_path / "logs"))


@pytest.mark.parametrize("path", [DEPLOY / "dagster.yaml", LOCAL], ids=["containers", "local"])
def test_dagster_knows_every_setting(path, database, tmp_path):
    (tmp_path / "dagster.yaml").write_text(path.read_text())

    config, _ = dagster_instance_config(str(tmp_path))

    assert config["telemetry"] == {"enabled": False}
    assert config["run_monitoring"]["enabled"]
    assert config["run_monitoring"]["free_slots_after_run_end_seconds"] > 0


@pytest.mark.parametrize("path", [DEPLOY / "dagster.yaml", LOCAL], ids=["containers", "local"])
def test_one_run_per_frame_at_a_time(path):
    limits = read(path)["concurrency"]["runs"]["tag_concurrency_limits"]

    assert limits == [{"key": "dagster/partition", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}]


@pytest.mark.parametrize("path", [DEPLOY / "dagster.yaml", LOCAL], ids=["containers", "local"])
def test_a_killed_run_is_started_once_more_and_a_failed_step_never(path):
    assert read(path)["run_retries"] == {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False}


def test_everything_that_the_containers_settings_name_exists(database, tmp_path):
    (tmp_path / "dagster.yaml").write_text((DEPLOY / "dagster.yaml").read_text())
    ref = InstanceRef.from_dir(str(tmp_path))

    assert type(ref.compute_log_manager).__name__ == "LocalComputeLogManager"
    assert type(ref.run_launcher).__name__ == "FrameRunLauncher"
    assert ref.storage_data is not None
    assert ref.storage_data.class_name == "DagsterPostgresStorage"


def test_the_database_driver_is_the_one_that_is_installed(database):
    from dagster_postgres.utils import pg_url_from_config
    from sqlalchemy import create_engine

    storage = read(DEPLOY / "dagster.yaml")["storage"]["postgres"]
    names = {key: value if not isinstance(value, dict) else "x" for key, value in storage["postgres_db"].items()}

    engine = create_engine(pg_url_from_config({"postgres_db": {**names, "params": {}}}))

    assert engine.dialect.driver == "psycopg2"


def test_the_compose_file_follows_the_compose_specification():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]

    done = subprocess.run([*command, str(DEPLOY / "docker-compose.yaml")], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_variable_of_the_compose_file_is_in_the_example():
    wanted = set(re.findall(r"(?<!\$)\$\{([A-Z0-9_]+)", (DEPLOY / "docker-compose.yaml").read_text()))
    given = {line.partition("=")[0] for line in (DEPLOY / ".env.example").read_text().splitlines() if "=" in line}

    assert wanted == given


def test_every_variable_of_the_dagster_settings_is_given_to_the_containers():
    wanted = set(re.findall(r"env: (\w+)", (DEPLOY / "dagster.yaml").read_text()))

    assert wanted <= COMPOSE["x-image"]["environment"].keys()


def test_services_wait_for_services_that_exist_and_have_a_health_check():
    services = COMPOSE["services"]
    for service in services.values():
        for name, condition in service.get("depends_on", {}).items():
            healthy = condition["condition"] == "service_healthy"
            # the project's own image has a health check in its Dockerfile
            assert not healthy or "healthcheck" in services[name] or services[name]["image"].startswith("sbas-assets:")


def test_the_image_has_the_version_of_the_package():
    assert COMPOSE["x-image"]["image"] == f"sbas-assets:{version('sbas-assets')}"


def test_the_workspaces_name_one_location():
    ours, theirs = read(ROOT / "workspace.yaml"), read(DEPLOY / "workspace.yaml")
    server = theirs["load_from"][0]["grpc_server"]

    assert ours["load_from"][0]["python_module"]["location_name"] == server["location_name"] == "sbas_assets"
    assert server["host"] in COMPOSE["services"]
    assert f'"-p", "{server["port"]}", "-m", "sbas_assets.definitions"' in (DEPLOY / "Dockerfile").read_text()


def test_the_image_copies_files_that_exist_and_are_not_ignored():
    text = (DEPLOY / "Dockerfile").read_text()
    copied = [name for line in re.findall(r"^COPY (?:--\S+ )*(.+)$", text, re.MULTILINE) for name in line.split()[:-1]]
    ignore = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    sent = {line[1:] for line in ignore if line.startswith("!")}

    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert name.removeprefix("./") in sent, name


def test_the_environment_of_isce2_is_pinned_and_from_conda_forge():
    environment = read(DEPLOY / "environment-isce2.yaml")

    assert environment["channels"][0] == "conda-forge"
    assert {"python=3.11", "isce2=2.6.5"} <= set(environment["dependencies"])


def test_versions_are_pinned_without_an_address():
    lines = (ROOT / "constraints.txt").read_text().splitlines()

    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.-]*==[\w.]+", line) for line in lines), lines
    assert lines == sorted(set(lines), key=lines.index)
