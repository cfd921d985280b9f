"""What the documents promise is there, and works as printed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
DOCUMENTS.append(ROOT / "guests" / "README.md")
SECTIONS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def blocks(language, text=README):
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(document):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text())
    local = [link for link in links if "://" not in link]

    missing = [link for link in local if not (document.parent / link).exists()]

    assert missing == []


def test_the_changelog_keeps_its_grammar():
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    releases = [line for line in lines if line.startswith("## ")]
    sections = [line.removeprefix("### ") for line in lines if line.startswith("### ")]

    assert releases[0] == "## [Unreleased]"
    assert all(re.fullmatch(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", r) for r in releases[1:])
    assert set(sections) <= SECTIONS


def test_the_python_of_the_readme_runs():
    (code,) = blocks("python")

    done = subprocess.run(
        (sys.executable, "-c", code), cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "H_REGISTER_VPA" in done.stdout
    assert "lppaca.yield_count" in done.stdout
    assert "PoweredOff()" in done.stdout


def test_the_readme_names_no_command_and_no_option_that_is_not_there():
    from papvmm.cli.main import COMMANDS  # noqa: PLC0415

    uses = re.findall(r"(?:bin/|`)papvmm ([a-z][a-z-]+)((?: [^`\n|&]*)?)", README)
    words = {word for word, _ in uses}

    assert words & set(COMMANDS) >= {"run", "demo", "one-reg", "save", "restore", "areas"}
    for name, rest in uses:
        if name in COMMANDS:
            asked = set(re.findall(r"(?<=\s)(--?[a-z][\w-]*)", rest))
            told = subprocess.run(
                (sys.executable, "-m", "papvmm", name, "--help"), capture_output=True, text=True,
                check=True,
            ).stdout  # fmt: skip
            assert {option for option in asked if option not in told} == set()


def test_ci_runs_the_readmes_own_test_command():
    ci = (ROOT / ".ci" / "run").read_text()

    assert "python3 tools/readme-command tests" in ci


@pytest.mark.slow
@pytest.mark.parametrize("name", ["demo"])
def test_a_command_of_the_readme_works_in_a_fresh_clone(name, tmp_path):
    tool = ROOT / "tools" / "readme-command"
    command = subprocess.check_output((sys.executable, tool, name), text=True)
    clone = tmp_path / "papvmm"
    subprocess.run(("git", "clone", "-q", ROOT, clone), check=True)

    done = subprocess.run(
        ("bash", "-euo", "pipefail", "-c", command), cwd=clone, capture_output=True, text=True,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "CORRUPTED" in done.stdout
    assert (clone / "papvmm-demo" / "report.html").read_text().startswith("<!DOCTYPE html>")
