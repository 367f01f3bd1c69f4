"""Which files are imported, and as which modules."""

from __future__ import annotations

import json

import pytest

from waymark.cli.targets import find_targets

from .conftest import CLEAN, Project


def modules(*names: str, exclude: tuple[str, ...] = ()) -> list[str]:
    return [target.module for target in find_targets(names, exclude)]


def test_a_file_has_the_name_that_its_package_gives_it(project: Project) -> None:
    project.write("src/app/__init__.py", "")
    project.write("src/app/jobs/__init__.py", CLEAN)
    project.write("src/app/jobs/mail.py", CLEAN)

    assert modules("src/app/jobs/mail.py", "src/app/jobs/__init__.py") == [
        "app.jobs.mail",
        "app.jobs",
    ]


def test_a_file_outside_of_packages_is_named_from_the_nearest_root(project: Project) -> None:
    """The working directory, its `src`, or what is on the path."""
    for path in ("jobs.py", "jobs/mail.py", "src/jobs/post.py"):
        project.write(path, CLEAN)

    assert modules("jobs.py", "jobs/mail.py", "src/jobs/post.py") == [
        "jobs",
        "jobs.mail",
        "jobs.post",
    ]


def test_only_files_that_define_a_workflow_are_imported(project: Project) -> None:
    """A check of a directory must not run somebody's script."""
    project.write("script.py", "# a workflow\nraise RuntimeError('was imported')\n")
    project.write("a.py", CLEAN)
    project.write("b.py", "import waymark\n@waymark.workflow(name='b')\nclass B: ...\n")
    project.write("c.py", "from waymark import workflow as durable\n@durable\nclass C: ...\n")
    project.write("d.py", "if True:\n    @workflow\n    class D: ...\n")
    project.write("e.py", "def test():\n    @workflow\n    class E: ...\n")

    assert modules(".") == ["a", "b", "c", "d"]


def test_a_file_that_is_named_is_imported_whatever_it_holds(project: Project) -> None:
    project.write("registry.py", "import jobs\n")
    project.write("jobs.py", CLEAN)

    result = project.call("check", "registry.py")

    assert result.stdout == "no errors in 1 workflow\n"


def test_environments_and_hidden_directories_are_left_alone(project: Project) -> None:
    for path in (".git/a.py", "env/lib/a.py", "node_modules/a.py", "dist/a.py"):
        project.write(path, CLEAN)
    project.write("env/pyvenv.cfg", "")
    project.write("app/jobs.py", CLEAN)

    assert modules(".") == ["app.jobs"]


@pytest.mark.parametrize("pattern", ["tests", "tests/bad*", "bad.py"])
def test_what_is_excluded_is_not_looked_at(project: Project, pattern: str) -> None:
    """By name, or by place below the directory that is checked."""
    project.write("tests/bad.py", CLEAN)
    project.write("jobs.py", CLEAN)

    assert modules(".", exclude=(pattern,)) == ["jobs"]


def test_a_package_is_searched_like_a_directory(project: Project) -> None:
    """Named as a module: `waymark check shop` from wherever it can be imported."""
    project.write("elsewhere/shop/__init__.py", "")
    project.write("elsewhere/shop/jobs/mail.py", CLEAN)
    project.write("elsewhere/shop/models.py", "raise RuntimeError('was imported')\n")

    result = project.call("check", "shop")
    assert result.exit_code == 2

    import sys

    sys.path.insert(0, str(project.directory / "elsewhere"))
    assert modules("shop") == ["shop", "shop.jobs.mail"]
    assert modules("shop.jobs.mail") == ["shop.jobs.mail"]


def test_a_file_is_imported_once(project: Project) -> None:
    """Another module may have imported it, under the name that it uses."""
    project.write("shop/jobs.py", CLEAN)
    project.write("shop/main.py", "import jobs\n" + CLEAN.replace("Clean", "Second"))

    result = project.call("check", "shop/main.py", "shop/jobs.py", "--output-format", "json")

    assert json.loads(result.stdout)["summary"]["workflows"] == 2


def test_two_files_of_one_name_are_told(project: Project) -> None:
    """The second would be taken for the first and never be looked at."""
    project.write("site-a/jobs.py", CLEAN)
    project.write("site-b/jobs.py", CLEAN)

    result = project.call("check", "site-a", "site-b")

    assert "site-b/jobs.py:1 jobs cannot be imported" in result.stdout
    assert "another module has the name jobs: <module 'jobs' from" in result.stdout
    assert result.exit_code == 2


@pytest.mark.parametrize("name", ["shared", "typing"])
def test_two_packages_of_one_name_are_told(project: Project, name: str) -> None:
    """Two projects of one kind; and a folder may have the name of a module of Python."""
    project.write("example/shared/__init__.py", "")
    project.write("example/shared/jobs.py", CLEAN)
    project.write(f"{name}/more.py", CLEAN)

    result = project.call("check")

    assert f"{name}/more.py:1 {name}.more cannot be imported" in result.stdout
    assert f"another module has the name {name}: <module '{name}' from" in result.stdout
    assert "check the two one after the other, or `--exclude` one" in result.stdout


def test_a_package_that_fails_is_shown_for_a_module_in_it(project: Project) -> None:
    project.write("shop/__init__.py", "import missing_library\n")
    project.write("shop/jobs.py", CLEAN)

    result = project.call("check", "shop.jobs")

    assert "shop/__init__.py:1 shop.jobs cannot be imported" in result.stdout
    assert "No module named 'missing_library'" in result.stdout
    assert result.exit_code == 2
