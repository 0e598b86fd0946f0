"""`frames`: the catalogue and Dagster's partitions in step, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pytest
import yaml

from sbas_assets_tests.cli.conftest import Call


def partitions(root: Path) -> list[str]:
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        return list(instance.get_dynamic_partitions("frame"))


def test_a_frame_is_added_listed_and_removed_with_its_partition(stack: Path, tmp_path: Path, sbas: Call) -> None:
    added = sbas("frames", "add", "T071D_x", "--stack", str(stack), "--set", "mintpy.deramp=linear")
    assert added.code == 0, added.err
    assert "track 71, descending" in added.out
    assert "the stack has 3 pairs of 3 dates" in added.err
    assert partitions(tmp_path) == ["T071D_x"]
    (entry,) = sbas("frames", "list", "--json").json
    assert entry == {
        "key": "T071D_x",
        "track": 71,
        "direction": "descending",
        "stack": str(stack),
        "mintpy": {"mintpy.deramp": "linear"},
        "attributes": {},
        "missing_weather": "wait",
        "publish": {"keep_versions": 5, "radar": False, "mantissa_bits": None},
        "velocity": None,
    }
    removed = sbas("frames", "remove", "T071D_x")
    assert removed.code == 0
    assert str(tmp_path / "work" / "T071D_x") in removed.out
    assert partitions(tmp_path) == []
    assert sbas("frames", "list", "--json").json == []


def test_what_set_says_wins_over_the_template_and_other_programs_entries_are_told(
    stack: Path, tmp_path: Path, sbas: Call
) -> None:
    template = tmp_path / "my.cfg"
    template.write_text(
        "mintpy.deramp = linear\nmintpy.network.tempBaseMax = 60\ntopsStack.looks = 3\nORBIT_DIRECTION = DESCENDING\n"
    )
    done = sbas(
        "frames", "add", "K", "--stack", str(stack), "--template", str(template), "--set", "mintpy.deramp=quadratic"
    )
    assert done.code == 0, done.err
    assert "topsStack.looks" in done.err
    written = yaml.safe_load((tmp_path / "frames" / "K.yaml").read_text())
    assert written["mintpy"]["mintpy.deramp"] == "quadratic"
    assert str(written["mintpy"]["mintpy.network.tempBaseMax"]) == "60"
    assert written["attributes"] == {"ORBIT_DIRECTION": "DESCENDING"}


def test_a_relative_stack_is_written_as_an_absolute_path(
    stack: Path, sbas: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stack.parent)
    assert sbas("frames", "add", "K", "--stack", stack.name).code == 0
    assert sbas("frames", "list", "--json").json[0]["stack"] == str(stack)


def test_a_stack_with_defects_can_be_added_and_they_are_told(stack: Path, tmp_path: Path, sbas: Call) -> None:
    defective = tmp_path / "stack"
    shutil.copytree(stack, defective)
    shutil.rmtree(defective / "baselines")
    done = sbas("frames", "add", "K", "--stack", str(defective))
    assert done.code == 0
    assert "[baselines-missing]" in done.err
    assert "sbas-assets check" in done.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("K", "--set", "mintpy.unwrapErr.method=bridging"), "did you mean mintpy.unwrapError.method?"),
        (("K", "--set", "mintpy.deramp=cubic"), "mintpy.deramp"),
        (("K", "--set", "mintpy.deramp"), "[set-option-malformed]"),
        (("a b",), "[frame-key-invalid]"),
        (("K", "--template", "nowhere.cfg"), "[template-missing]"),
    ],
)
def test_bad_input_adds_nothing_and_ends_with_1(
    stack: Path, tmp_path: Path, sbas: Call, arguments: tuple[str, ...], expected: str
) -> None:
    done = sbas("frames", "add", *arguments, "--stack", str(stack))
    assert done.code == 1
    assert expected in done.err
    assert "mend:" in done.err
    assert "Traceback" not in done.err
    assert not list(tmp_path.glob("frames/*.yaml"))


def test_a_bad_key_in_a_template_is_told_with_the_templates_name(stack: Path, tmp_path: Path, sbas: Call) -> None:
    template = tmp_path / "my.cfg"
    template.write_text("mintpy.load.incFile = x\n")
    done = sbas("frames", "add", "K", "--stack", str(stack), "--template", str(template))
    assert done.code == 1
    assert str(template) in done.err
    assert "mintpy.load.incAngleFile" in done.err


def test_a_stack_that_does_not_tell_its_track_is_refused(stack: Path, tmp_path: Path, sbas: Call) -> None:
    missing = sbas("frames", "add", "K", "--stack", str(tmp_path / "nowhere"))
    assert missing.code == 1
    assert "[stack-missing]" in missing.err
    cut = tmp_path / "stack"
    shutil.copytree(stack, cut)
    for file in (cut / "reference").glob("*.xml"):
        file.write_bytes(file.read_bytes()[:1000])
    truncated = sbas("frames", "add", "K", "--stack", str(cut))
    assert truncated.code == 1
    assert "[product-truncated]" in truncated.err


def test_a_key_that_is_taken_and_one_that_is_unknown_are_refused(stack: Path, sbas: Call) -> None:
    sbas("frames", "add", "K", "--stack", str(stack))
    assert "[frame-exists]" in sbas("frames", "add", "K", "--stack", str(stack)).err
    unknown = sbas("frames", "remove", "KK")
    assert unknown.code == 1
    assert "did you mean K?" in unknown.err


def test_broken_frames_are_listed_with_their_error_and_the_rest_too(stack: Path, tmp_path: Path, sbas: Call) -> None:
    sbas("frames", "add", "good", "--stack", str(stack))
    (tmp_path / "frames" / "bad.yaml").write_text("track: 900\n")
    listed = sbas("frames", "list", "--json")
    assert listed.code == 0
    entries = {entry["key"]: entry for entry in listed.json}
    assert entries["bad"]["error"]["code"] == "frame-config-invalid"
    assert "error" not in entries["good"]
    shown = sbas("frames", "list")
    assert shown.code == 0
    assert "broken: [frame-config-invalid] frame bad" in shown.out
    assert sbas("frames", "remove", "bad").code == 0


def test_a_dagster_home_that_cannot_be_used_is_told_before_a_frame_is_written(
    stack: Path, tmp_path: Path, sbas: Call
) -> None:
    (tmp_path / "file").write_text("")
    done = sbas("frames", "add", "K", "--stack", str(stack), env={"DAGSTER_HOME": str(tmp_path / "file")})
    assert done.code == 1
    assert "[dagster-home-unusable]" in done.err
    wrong = tmp_path / "home"
    wrong.mkdir()
    (wrong / "dagster.yaml").write_text("telemtry: {}\n")
    done = sbas("frames", "add", "K", "--stack", str(stack), env={"DAGSTER_HOME": str(wrong)})
    assert done.code == 1
    assert "[dagster-home-unusable]" in done.err
    assert (wrong / "dagster.yaml").read_text() == "telemtry: {}\n"
    assert not (tmp_path / "frames" / "K.yaml").exists()


def test_a_new_dagster_home_sends_no_telemetry_and_runs_a_frame_once_at_a_time(
    stack: Path, tmp_path: Path, sbas: Call
) -> None:
    sbas("frames", "add", "K", "--stack", str(stack))
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled
        queue = instance.get_concurrency_config().run_queue_config
    assert queue is not None
    assert queue.max_concurrent_runs == 4
    (limit,) = queue.tag_concurrency_limits
    assert limit == {"key": "dagster/partition", "limit": 1, "value": {"applyLimitPerUniqueValue": True}}
