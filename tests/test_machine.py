"""What follows from the machine: each decision has a reason, and its numbers fit together."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.llm import machine


def test_the_cpu_is_a_device_with_memory():
    devices = machine.devices()
    assert any(device.kind == "cpu" for device in devices)
    for device in devices:
        assert device.name
        assert device.description
        assert 0 <= device.free_bytes <= device.total_bytes


def test_gpus_are_among_the_devices():
    assert all(gpu in machine.devices() for gpu in machine.gpus())
    assert machine.offload().value == (999 if machine.gpus() else 0)


@given(st.integers(1, 512))
def test_what_is_asked_for_is_taken(number):
    assert machine.threads(number).value == number
    assert machine.slots(number, 10**18).value == number


def test_no_more_threads_than_cpus_that_this_process_may_use():
    threads = machine.threads(0)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert 1 <= threads.value <= allowed
    assert threads.reason


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 10_000), st.integers(1, 10**7))
def test_rows_side_by_side_take_a_quarter_of_the_free_memory_at_most(row_tokens, kv_bytes):
    slots = machine.slots(0, row_tokens * kv_bytes)
    most = 64 if machine.gpus() else 32
    assert 1 <= slots.value <= most
    # Others use memory meanwhile, so the bound has some room.
    if slots.value > 1:
        assert slots.value * row_tokens * kv_bytes < 0.3 * machine.free_memory()
    assert "MB" in slots.reason


def test_a_model_fits_when_it_needs_less_than_is_free():
    assert machine.fits(1).value
    assert not machine.fits(10**18).value
    assert "1000000000.0 GB" in machine.fits(10**18).reason


def test_a_batch_is_smaller_where_memory_is_short():
    assert machine.batch(1).value == 512
    assert machine.batch(machine.free_memory()).value == 128


def test_instruction_sets_are_those_of_the_build():
    sets = machine.instruction_sets()
    assert len(sets) == len(set(sets))
    if "AVX2 = 1" in machine.system_info():
        assert "avx2" in sets
    assert machine.extra_buffers().value == ("AMX_INT8 = 1" not in machine.system_info())


def test_every_problem_says_what_to_do():
    for problem in machine.problems():
        assert "pip install" in problem or "README" in problem


@pytest.mark.parametrize(
    ("cpu_max", "quota"),
    [("max 100000", 0), ("200000 100000", 2), ("50000 100000", 1), ("350000 100000", 3), ("", 0)],
)
def test_a_quota_counts_whole_cpus_and_at_least_one(tmp_path, monkeypatch, cpu_max, quota):
    (tmp_path / "cpu.max").write_text(cpu_max)
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    n_cores = machine._physical_cores()
    decision = machine.threads(0)
    assert decision.value == (quota if 0 < quota < n_cores else n_cores)
    assert ("quota" in decision.reason) == (0 < quota < n_cores)


def test_a_containers_limit_bounds_the_free_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    unlimited = machine.free_memory()
    (tmp_path / "memory.max").write_text(str(50_000_000))
    (tmp_path / "memory.current").write_text(str(20_000_000))
    if not machine.gpus():
        assert machine.free_memory() == 30_000_000
    (tmp_path / "memory.max").write_text("max")
    assert machine.free_memory() > unlimited // 2


def test_a_second_thread_of_a_core_is_not_counted(tmp_path, monkeypatch):
    for cpu in os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(4):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text("0-99\n")
    monkeypatch.setattr(machine, "_CPUS", tmp_path)
    assert machine._physical_cores() == 1


def test_the_seconds_that_all_programs_compute_go_forward():
    before = machine.computing_seconds()
    assert before >= 0
    assert machine.computing_seconds() >= before
    assert machine.cpus()


def test_short_contexts_go_without_flash_attention_on_a_cpu(monkeypatch):
    monkeypatch.setattr(machine, "gpus", list)
    assert [machine.attention_for("auto", n) for n in (256, 4096, 4097)] == ["off", "off", "auto"]
    assert [machine.attention_for(choice, 256) for choice in ("on", "off")] == ["on", "off"]
    monkeypatch.setattr(machine, "gpus", lambda: ["a GPU"])
    assert machine.attention_for("auto", 256) == "auto"
