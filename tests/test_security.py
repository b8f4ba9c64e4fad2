"""SECURITY.md, sentence by sentence: which tests check it, and those that stand nowhere else."""

import ast
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from t2local.cli import main
from t2local.settings import Settings

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "SECURITY.md"

#: How each sentence begins, and the tests of it, by file. A contract of `lint-imports` stands with
#: its name.
PROMISES = {
    "No command but `models pull`": {
        "test_security": ["test_every_command_but_two_refuses_sockets"],
        "test_store": ["test_commands_are_sealed_and_say_so"],
    },
    "An import contract in CI forbids": {
        "contracts": ["only pull and the cluster open a socket; nothing unpickles"],
        "test_offline": ["test_every_way_to_the_network_is_refused"],
        "test_proof": [
            "test_system_calls_are_counted_and_signals_and_exits_are_not",
            "test_a_program_that_opens_a_socket_is_caught",
        ],
    },
    "A test does the same.": {
        "test_air_gap": ["test_a_kit_is_made_carried_installed_and_used_without_a_network"]
    },
    "In a Python program of yours": {
        "test_offline": ["test_importing_the_library_seals_nothing_and_opens_no_cache"]
    },
    "Real rows stay in memory": {
        "test_canaries": ["test_no_planted_value_leaves_any_command"],
        "test_resumption": ["test_real_rows_are_not_kept_with_what_was_asked_about_them"],
    },
    "What leaves (levels of enough patients": {
        "test_disclosure": ["test_every_sentence_of_the_page_has_its_test"]
    },
    "Levels of fewer than 5 patients are pooled": {
        "test_disclosure": [
            "test_rows_that_a_level_needs",
            "test_steps_of_a_scale",
            "test_other_levels_are_pooled",
            "test_levels_that_a_person_names",
        ],
        "test_canaries": ["test_no_planted_value_leaves_any_command"],
    },
    "`synthetic.csv` holds generated rows only": {
        "test_folder": ["test_the_result_is_written_as_the_table_was"],
        "test_sanity": ["test_broken_constraints_and_copies_are_counted_apart"],
        "test_copies": ["test_a_tiny_table_keeps_copies_and_says_so"],
    },
    "`report.html` shows what": {
        "test_page": ["test_every_figure_on_the_page_is_that_of_report_json"],
        "test_marginals": [
            "test_rare_levels_stand_together_without_their_names",
            "test_of_few_rows_nothing_is_shown",
        ],
        "test_subgroups": [
            "test_examples_tell_cells_by_their_parts_and_the_commonest_reason_comes_first"
        ],
    },
    "It is one file that runs no script": {
        "test_page": ["test_the_page_asks_for_nothing_and_names_of_columns_are_text"]
    },
    "A model file is hashed before it is parsed": {
        "test_checks": [
            "test_a_file_of_another_hash_is_refused_before_its_header_is_read",
            "test_a_file_is_hashed_once_and_again_when_it_changes",
        ],
        "test_blobs": ["test_a_forged_stamp_does_not_pass_for_ever"],
    },
    "In the store a file is named by its hash": {
        "test_blobs": ["test_files_of_one_name_and_other_content_lie_side_by_side"]
    },
    "Then its header is read in Python with limits": {
        "test_gguf": [
            "test_any_bytes_are_a_header_or_a_clear_error",
            "test_counts_that_cannot_be_take_neither_time_nor_memory",
        ],
        "test_checks": ["test_a_file_is_opened_apart_once_for_each_version_of_llama_cpp"],
        "test_store": ["test_a_crash_of_llama_cpp_is_an_error_message"],
    },
    "The Jinja template inside a GGUF is run once": {
        "test_store": ["test_the_format_of_a_stored_model_is_data_that_was_compiled_once"],
        "test_chat_template": [
            "test_a_template_that_gives_no_format_is_refused_with_a_reason",
            "test_a_template_that_does_not_end_is_stopped",
            "test_where_templates_run_no_file_can_be_written",
        ],
        "contracts": ["the programs that meet what strangers made are imported by nobody"],
    },
    "What it gave is kept as data.": {
        "test_store": ["test_the_format_of_a_stored_model_is_data_that_was_compiled_once"]
    },
    "The `install.py` of a kit": {
        "test_bundle": ["test_the_script_of_a_damaged_kit_installs_nothing"]
    },
    "Cells stay data": {
        "test_vocabulary": [
            "test_data_never_becomes_control_text",
            "test_any_text_comes_back_without_a_control_token",
        ],
        "test_vocabularies": ["test_any_text_comes_back_without_a_reserved_token"],
        "test_air_gap": ["test_hostile_cells_stay_data"],
    },
    "Cells that a spreadsheet would run": {
        "test_formulas": [
            "test_what_would_run_gets_one_apostrophe",
            "test_other_cells_stay_as_they_are",
        ]
    },
    "Reading takes this apostrophe away": {
        "test_formulas": ["test_a_cell_comes_back_from_a_file_as_itself"]
    },
    "With `--cluster` (or `client=`": {
        "test_cluster": ["test_dask_gets_two_functions_and_texts"],
        "test_cluster_job": [
            "test_a_worker_writes_the_same_block_and_does_not_ask_about_real_rows_again"
        ],
    },
    "Off one machine they are encrypted": {
        "test_cluster": [
            "test_rows_leave_the_machine_encrypted_or_not_at_all",
            "test_no_row_goes_to_any_worker_before_all_are_checked",
            "test_a_cluster_is_for_those_who_have_its_certificates",
        ]
    },
    "The workers of `--cluster local:N`": {
        "test_cluster": ["test_local_workers_are_encrypted_and_the_death_of_one_changes_no_byte"]
    },
    "What a worker cannot do": {
        "test_cluster_job": ["test_a_bug_on_a_worker_says_where_and_no_cell"]
    },
    "No pickle, no `eval`, no shell.": {
        "test_house": ["test_nothing_runs_text_as_code_or_in_a_shell"],
        "contracts": ["only pull and the cluster open a socket; nothing unpickles"],
    },
    "Programs are started in three places": {
        "contracts": ["programs are started by three files, without a shell"],
        "test_house": ["test_nothing_runs_text_as_code_or_in_a_shell"],
    },
    "YAML is read with the safe loader": {
        "test_yaml_file": ["test_what_would_run_unfold_or_not_end_is_refused_at_its_place"]
    },
    "Tables, dictionaries, codebooks and plans": {
        "test_input_file": [
            "test_what_is_no_file_is_said_to_be_what_it_is",
            "test_no_reader_waits_for_a_pipe_or_a_device",
            "test_a_file_larger_than_any_of_its_kind_is_not_read",
        ]
    },
    "`bench.fuzz` draws broken inputs": {
        "test_bench_fuzz": [
            "test_broken_inputs_end_in_a_clear_error_or_in_a_result_that_agrees_with_itself"
        ]
    },
    "The folder of a run is readable": {
        "test_folder": ["test_a_new_folder_appears_whole_with_its_parents_and_is_its_owners"]
    },
    "It is written as a hidden folder": {
        "test_cli_faults": ["test_all_that_a_run_writes_is_its_owners_whatever_the_mask"]
    },
    "A run that is killed leaves": {
        "test_folder": [
            "test_a_run_that_is_killed_anywhere_leaves_one_whole_result_and_the_next_run_cleans_up"
        ]
    },
    "It holds generated rows, and log-probabilities": {
        "test_resumption": [
            "test_real_rows_are_not_kept_with_what_was_asked_about_them",
            "test_a_run_that_is_killed_again_and_again_comes_to_the_same_bytes",
            "test_another_run_is_refused_with_what_differs_and_takes_its_place_on_request",
        ]
    },
    "After Ctrl-C the same is in": {
        "test_canaries": ["test_no_planted_value_leaves_any_command"],
        "test_resumption": [
            "test_after_ctrl_c_the_same_command_goes_on_and_the_rows_so_far_stay_until_then"
        ],
    },
    "`manifest.json` has the SHA-256": {
        "test_verification": ["test_every_file_that_was_changed_added_or_removed_is_named"]
    },
    "The model sees real rows (20 by default)": {
        "test_security": ["test_by_default_a_prompt_shows_twenty_rows"]
    },
    "A number between the ends of its column": {
        "test_near_copies": ["test_copies_have_their_numbers_and_so_many_are_no_chance"],
        "test_canaries": ["test_no_planted_value_leaves_any_command"],
    },
    "The rows of another generator": {
        "test_plugin": ["test_smote_rows_are_kept_or_rejected_as_they_came"]
    },
    "Dask (the extra `cluster`": {
        "test_cluster": ["test_dask_gets_two_functions_and_texts"],
        "contracts": ["only '--cluster' and a run that has a client import the cluster"],
    },
    "t2local never opens such a cache": {
        "test_offline": ["test_importing_the_library_seals_nothing_and_opens_no_cache"],
        "test_canaries": ["test_no_planted_value_leaves_any_command"],
    },
}
#: How sentences begin that promise nothing: what something is not, what others do, advice.
NO_PROMISES = (
    "That is a guess by form",
    "The list is no signature.",
    "It is no signature",
    "Synthetic rows are not anonymous",
    "llama.cpp parses model files in native code",
    "The checks above keep out",
    "Only use files whose hash you know.",
    "So whoever can reach a scheduler",
    "Keep the key of the cluster",
    "While it runs with a cluster",
    "To find its own address dask",
    "`outlines` and `llama-cpp-python` depend on `diskcache`",
)


def sentences() -> list[str]:
    """Those of all sections but the last, which says where to report."""
    if not PAGE.is_file():
        pytest.skip("the page is not beside an installed package")
    promised = PAGE.read_text(encoding="utf-8").partition("## Reporting")[0]
    lines = re.split(r"\n(?=- |#|\n)", promised)
    texts = [" ".join(line.lstrip("- \n").split()) for line in lines]
    texts = [text.partition("about ")[2] if "## Dep" in text else text for text in texts]
    return [
        sentence
        for text in texts
        if text and not text.startswith("#")
        for sentence in re.split(r"(?<=\.) (?=[A-Z`]|t2local never)", text)
    ]


def test_every_sentence_has_its_test_or_promises_nothing():
    beginnings = [*PROMISES, *NO_PROMISES]
    own = {s: [b for b in beginnings if s.startswith(b)] for s in sentences()}
    assert [sentence for sentence, found in own.items() if len(found) != 1] == []
    assert sorted(found for (found,) in own.values()) == sorted(beginnings)


def test_every_test_of_a_sentence_is_there():
    contracts = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    missing = []
    for by_file in PROMISES.values():
        for name, tests in by_file.items():
            if name == "contracts":
                missing += [test for test in tests if f'name = "{test}"' not in contracts]
                continue
            tree = ast.parse((ROOT / "tests" / f"{name}.py").read_text(encoding="utf-8"))
            there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            missing += [test for test in tests if test not in there]
    assert missing == []


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """All commands, with those of a group."""
    if not isinstance(command, click.Group):
        return [path]
    return [leaf for name, own in command.commands.items() for leaf in leaves(own, (*path, name))]


def test_every_command_but_two_refuses_sockets(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    open_with_options = {(): {"pull"}, ("--cluster", "node7"): {"pull", "generate"}}
    for options, open_commands in open_with_options.items():
        not_sealed = set()
        for path in leaves(main):
            sealed = []
            for module in ("commands", "models", "cluster"):
                monkeypatch.setattr(f"t2local.cli.{module}.seal", lambda own=sealed: own.append(1))
            # What is wrong with the arguments comes out later than that.
            own = ["no.csv", *options] if path == ("generate",) else ["--no-such-option"]
            assert CliRunner().invoke(main, [*path, *own]).exit_code in (2, 3)
            if not sealed:
                not_sealed.add(path[-1])
        assert not_sealed == open_commands


def test_by_default_a_prompt_shows_twenty_rows():
    assert Settings().team.examples == 20
