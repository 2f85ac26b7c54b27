"""What the tests that start no server do otherwise on Windows, and why: the table."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["DEVIATIONS", "NOT_RUN", "TEST", "WINE", "Deviation"]

TEST, WINE = "the test's", "Wine's"


@dataclass(frozen=True)
class Deviation:
    """Tests, by node ids in which `*` stands for any text, with the cause of their failure.

    `always` is False for a failure that depends on the order of things; `run` is False for a test
    that would wait for minutes.
    """

    tests: tuple[str, ...]
    cause: str
    why: str
    always: bool = True
    run: bool = True

    def covers(self, nodeid: str) -> bool:
        """Return whether a test is one of them."""
        return any(_pattern(one).fullmatch(nodeid) for one in self.tests)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)


NOT_RUN = {
    "tests/docs": "documentation is the same on every system",
    "tests/emulator/linux/build": "appsvc build refuses to run on Windows",
    "tests/logs/test_file_forks.py": "Windows has no fork",
    "tests/serving/gunicorn": "gunicorn does not run on Windows",
    "tests/system/test_process_one.py": "process 1 of a Linux container",
    "tests/system/test_process_tree.py": "signals, groups and /proc; test_process_tree_windows.py",
    "tests/system/test_procfs.py": "/proc",
    "tests/system/test_tree_guard.py": "Windows has jobs instead",
    "tests/windows": "driven from Linux",
}
DEVIATIONS = (
    Deviation(
        (
            "tests/redaction/test_secret.py::test_no_plan_shows_the_variables_it_holds",
            "tests/serving/test_asgi_choice.py::test_a_wsgi_app_keeps_its_server[serve]",
            "tests/serving/test_defaults.py::test_bad_number_is_refused_by_name[WEB_CONCURRENCY]",
            "tests/serving/test_defaults.py::test_bad_number_is_refused_by_name[PYTHON_GUNICORN_*]",
            "tests/serving/test_defaults.py::test_bad_number_is_refused_by_name[WEBSITES_*]",
            "tests/serving/test_defaults.py::test_graceful_timeout_of_the_user_counts",
            "tests/serving/test_defaults.py::test_gunicorn_listens_where_the_container_says*",
            "tests/serving/test_defaults.py::test_gunicorn_stops_before_the_platform_kills*",
            "tests/serving/test_defaults.py::test_logs_and_time_limits",
            "tests/serving/test_defaults.py::test_only_the_middleware_decides_about_*",
            "tests/serving/test_defaults.py::test_slow_visitors_do_not_block_the_rest",
            "tests/serving/test_defaults.py::test_stop_limit_counts_as_far_as_the_platform_*",
            "tests/serving/test_defaults.py::test_who_says_the_numbers*",
            "tests/serving/test_defaults.py::test_workers_follow_the_cores_up_to_a_limit",
            "tests/serving/test_handover.py::test_a_plan_arrives_once[gunicorn]",
            "tests/serving/test_handover.py::test_a_plan_with_a_value_of_another_type_*",
            "tests/serving/test_plan.py::test_a_configuration_of_gunicorns_user_*",
            "tests/serving/test_plan.py::test_a_plan_is_plain_frozen_data[*-gunicorn]",
            "tests/serving/test_plan.py::test_access_lines[*-gunicorn]",
            "tests/serving/test_plan.py::test_the_configuration_of_gunicorns_user*",
            "tests/serving/test_plan.py::test_where_every_server_listens[*-gunicorn]",
            "tests/serving/test_servers.py::test_a_server_that_is_not_installed[gunicorn]",
            "tests/serving/test_servers.py::test_every_row_has_a_runner[gunicorn]",
            "tests/serving/test_servers.py::test_what_a_server_cannot_*[gunicorn-knows-all]",
            "tests/serving/test_servers.py::test_what_a_server_cannot_*[granian]",
            "tests/serving/test_servers.py::test_workers_follow_the_cores_and_what_is_said*",
            "tests/test_imports.py::test_importing_a_module_does_nothing",
            "tests/test_public_api.py::test_gunicorn_finds_its_settings",
            "tests/emulator/processes/test_site_folder.py::"
            "test_commands_that_write_nothing_take_the_home_folder[serve]",
        ),
        TEST,
        "it is about gunicorn, or imports it, which does not run on Windows",
    ),
    Deviation(
        (
            "tests/cli/test_settings.py::test_django_says_why",
            "tests/cli/test_settings.py::test_findings[-*_a-*]",
            "tests/cli/test_settings.py::test_secrets_are_shown_when_asked_for",
        ),
        TEST,
        "it gives an app setting lower-case letters, and Windows has no such variables",
    ),
    Deviation(
        ("tests/cli/test_settings.py::test_on_the_platform",),
        TEST,
        "on Windows these variables are those of a site on IIS",
    ),
    Deviation(
        (
            "tests/cli/test_settings.py::test_values_that_would_break_the_table",
            "tests/serving/test_handover.py::test_a_text_without_end_is_no_plan",
        ),
        TEST,
        "a variable on Windows has at most 32767 characters",
    ),
    Deviation(
        (
            "tests/cli/test_explain.py::test_a_startup_command_is_stronger_*[script]",
            "tests/cli/test_explain.py::test_paths_that_a_built_site_does_not_have",
            "tests/startup/test_python_files.py::test_no_more_of_a_file_is_read_than_the_limit",
        ),
        TEST,
        "it writes a file as text, which gets Windows line ends",
    ),
    Deviation(
        (
            "tests/cli/test_explain.py::test_a_wrong_argument_*[missing]",
            "tests/cli/test_explain.py::test_a_wrong_argument_*[file]",
            "tests/emulator/processes/test_child.py::"
            "test_log_file_that_cannot_be_written_is_said_once",
            "tests/startup/test_plan.py::test_a_site_that_is_no_folder_is_an_error[missing]",
            "tests/startup/test_plan.py::test_a_site_that_is_no_folder_is_an_error[file]",
            "tests/startup/test_plan.py::test_a_site_that_is_no_folder_is_an_error[name-too-long]",
        ),
        TEST,
        "it compares with the text of an error of POSIX",
    ),
    Deviation(
        (
            "tests/connections/test_databases.py::test_sqlite[sqlite:////home/x@y.db]",
            "tests/emulator/iis/fastcgi/test_params.py::test_folders_in_any_language*",
            "tests/emulator/processes/test_project_python.py::test_on_windows",
            "tests/emulator/processes/test_site_folder.py::test_home_folders*",
            "tests/emulator/test_cli_check.py::test_a_folder_that_a_shell_has_made_a_path_of",
            "tests/emulator/webjobs/test_files.py::test_commands",
            "tests/logs/test_formats.py::test_a_message_that_cannot_be_formatted[*-json]",
            "tests/logs/test_setup.py::test_argument_before_variable_before_default[file]",
            "tests/logs/test_setup.py::test_argument_before_variable_before_default[path]",
            "tests/logs/test_setup.py::test_argument_before_*[standard-output]",
            "tests/settings/test_settings.py::test_linux",
            "tests/test_readme.py::test_what_explain_shows",
        ),
        TEST,
        "it has a path in the form of POSIX",
    ),
    Deviation(
        (
            "tests/settings/test_converters.py::test_other_texts_are_refused[*Path*-'~no-such-use']",
            "tests/settings/test_typed.py::test_malformed[*Path*-'~S3cr3tMa']",
        ),
        TEST,
        "Windows guesses the home folder of a user that does not exist",
    ),
    Deviation(
        ("tests/settings/test_dotenv.py::test_a_working_folder_that_is_gone",),
        TEST,
        "Windows does not delete a working folder",
    ),
    Deviation(
        ("tests/emulator/iis/test_file_body.py::test_a_file_that_is_deleted_while_it_is_sent",),
        TEST,
        "Windows does not delete a file that is open",
    ),
    Deviation(
        ("tests/logs/test_setup.py::test_the_file_of_each_host",),
        TEST,
        "by its variables alone, a site in a Linux container looks like one on IIS there",
    ),
    Deviation(
        ("tests/logs/test_formats.py::test_the_time_has_its_zone*",),
        TEST,
        "Windows has no time.tzset; tests/system/test_local_time.py",
    ),
    Deviation(
        ("tests/logs/test_setup.py::test_a_disabled_level_costs_what_it_costs_without_us",),
        TEST,
        "the standard library is in a zip file",
    ),
    Deviation(
        (
            "tests/apps/test_faults.py::test_a_handler_of_signals_ends_the_loop*",
            "tests/logs/test_setup_hooks.py::test_a_forked_child_writes_too",
            "tests/logs/test_setup_hooks.py::test_what_is_no_error[interrupt]",
            "tests/middleware/test_drain.py::test_a_loop_that_handles_the_signal_waits_as_well",
            "tests/serving/test_process_end.py::test_a_child_of_multiprocessing",
            "tests/system/test_files.py::test_a_new_file_is_made_like_the_old_one",
        ),
        TEST,
        "signals, forks and modes of files are those of POSIX",
    ),
    Deviation(
        (
            "tests/emulator/iis/fastcgi/test_channel.py::"
            "test_the_watchers_buffer_is_filled_as_windows_fills_it",
            "tests/emulator/iis/fastcgi/test_channel.py::"
            "test_a_wire_that_cannot_be_made_leaves_nothing",
        ),
        TEST,
        "it is about what stands in for Windows elsewhere",
    ),
    Deviation(
        ("tests/emulator/iis/test_plan.py::test_interpreters",),
        TEST,
        "its virtual environment is one of POSIX",
    ),
    Deviation(
        (
            "tests/emulator/processes/test_site_folder.py::"
            "test_homes_of_the_site_that_are_the_users[linux-*]",
        ),
        TEST,
        "the Linux container is not emulated on Windows",
    ),
    Deviation(
        (
            "tests/emulator/processes/test_site_folder.py::test_outputs_that_would_destroy*",
            "tests/emulator/processes/test_site_folder.py::test_what_is_no_site*",
            "tests/emulator/processes/test_site_folder.py::test_an_output_that_holds_the_site",
            "tests/emulator/processes/test_site_folder.py::"
            "test_in_the_home_folder_nothing_is_the_site",
        ),
        TEST,
        "it is about appsvc build, which refuses to run on Windows",
    ),
    Deviation(
        (
            "tests/launcher/test_restarts.py::test_exit_code[-9-137]",
            "tests/launcher/test_restarts.py::test_exit_code[-15-143]",
        ),
        TEST,
        "no signal ends a process there: a negative number is an exit code",
    ),
    Deviation(
        ("tests/emulator/processes/test_child.py::test_output_is_copied_to_the_file",),
        TEST,
        "output that is not UTF-8 is read in Windows' own encoding",
    ),
    Deviation(
        (
            "tests/doctor/test_cli.py::test_junit",
            "tests/doctor/test_cli.py::test_github",
            "tests/doctor/test_strangers.py::test_names_with_control_characters",
        ),
        TEST,
        "names of files have no such characters there",
    ),
    Deviation(
        (
            "tests/serving/test_promises.py::test_each_cell_has_its_test[A client that moves*]",
            "tests/serving/test_promises.py::test_each_cell_has_its_test[Three hundred*]",
        ),
        TEST,
        "the file with that promise's test needs limits of POSIX",
    ),
    Deviation(
        (
            "tests/emulator/processes/test_child.py::"
            "test_interpreter_that_cannot_be_started[folder]",
        ),
        WINE,
        "to run a folder is to run a missing file",
    ),
    Deviation(
        (
            "tests/emulator/iis/test_site.py::test_a_link_out_of_the_site[True]",
            "tests/emulator/iis/test_site_files.py::test_links[*inside]",
            "tests/emulator/processes/test_site_folder.py::test_dots_behind_a_link_count_both_ways",
            "tests/settings/test_dotenv.py::test_links_are_followed",
            "tests/startup/test_plan.py::test_a_link_to_a_folder_is_no_folder_and_one_to_a_*",
            "tests/startup/test_plan_rules.py::test_links",
        ),
        WINE,
        "it makes no symbolic links that Python reads",
    ),
    Deviation(
        ("tests/emulator/iis/test_site_files.py::test_links*",),
        WINE,
        "its links cannot be removed, so the end of the test fails; 404 is right without a link",
        always=False,
    ),
    Deviation(
        (
            "tests/logs/test_file.py::test_the_very_next_line_is_in_the_new_file[*-deleted]",
            "tests/logs/test_file_faults.py::test_a_new_file_is_rotated_at_once",
            "tests/logs/test_file_faults.py::test_it_is_said_again_after_it_was_mended",
        ),
        WINE,
        "a deleted file keeps its name until it is closed, and can be opened meanwhile",
    ),
    Deviation(
        (
            "tests/logs/test_file_processes.py::test_every_line_is_there_once*",
            "tests/logs/test_file_processes.py::test_writers_are_killed",
        ),
        WINE,
        "appends of several processes overwrite each other",
        always=False,
    ),
)
