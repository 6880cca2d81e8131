"""What is built installs and runs away from the checkout; its bill of materials is whole."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from radiance import __version__
from tests.shared_data import REPOSITORY
from tests.support import FACTS, Client, wait_for_log
from tools import formula, sbom


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """The sdist of the checkout."""
    target = tmp_path_factory.mktemp("dist")
    _build(REPOSITORY, "sdist", target)
    return next(target.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def built(sdist, tmp_path_factory) -> Path:
    """A folder with the sdist, and the wheel that is built from it."""
    target = sdist.parent
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    _build(unpacked / f"radiance-{__version__}", "wheel", target)
    return target


def _build(source: Path, kind: str, target: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_wheel_holds_all_the_package_s_files_and_nothing_else(built):
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "radiance"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    docs = {f"radiance/docs/{path.name}" for path in (REPOSITORY / "docs").glob("*.md")}
    assert names == {name for name in tracked if (REPOSITORY / name).exists()} | docs
    assert "radiance/ember/model/model.safetensors" in names
    assert "radiance/py.typed" in names


@pytest.mark.slow
def test_the_sdist_holds_what_explains_it_and_no_run_of_ours(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "radiance.toml"} <= names
    assert not [n for n in names if n.startswith(("runs/", "adapters/")) and "README" not in n]
    assert not [n for n in names if re.search(r"\.(db|log|pem|key)$|(^|/)\.env", n)]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_wheel_serves_and_learns_from_an_empty_directory(built, tmp_path):
    """In an environment of its own; what it depends on is lent by this one.

    With RADIANCE_TEST_INSTALL set pip installs that too, which needs an index.
    """
    home, root = tmp_path / "venv", tmp_path / "empty"
    root.mkdir()
    venv.create(home)
    python = home / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    install.append("--disable-pip-version-check")
    if not os.environ.get("RADIANCE_TEST_INSTALL"):
        install.append("--no-deps")
        lent = sysconfig.get_paths()["purelib"]
        [folder] = home.glob("lib/python*/site-packages")
        (folder / "lent.pth").write_text(f"{lent}\n")
    subprocess.run([*install, str(next(built.glob("*.whl")))], check=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    where = subprocess.run(
        [python, "-c", "import radiance; print(radiance.__file__)"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(home)), where.stdout
    log = tmp_path / "log"
    options = ["--port", "0", "--set", "anchor.own_samples=4", "--set", "training.max_steps=2"]
    options += ["--set", "evaluation.anchor_sample=8"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [home / "bin" / "radiance", "run", *options],
            cwd=root,
            env=environment,
            stdout=stream,
            stderr=stream,
        )
    try:
        client = Client(wait_for_log(process, log, r"http://127\.0\.0\.1:\d+")[0])
        client.wait_ready()
        job = client.teach(FACTS[:2])
        assert job["status"] == "succeeded", job
        answer = client.ask(FACTS[0][0])
        assert answer["checkpoint"] == job["checkpoint"]
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0, log.read_text()
    assert (root / "adapters" / "stable").is_symlink()
    assert (root / "runs" / "radiance.db").exists()


# ----------------------------------------------------------------------------- what comes with it


def test_the_bill_of_materials_names_every_dependency_with_its_licence():
    document = sbom.render()
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    listed = {component["name"]: component for component in document["components"]}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    needed = [Requirement(text) for text in project["dependencies"]]
    for requirement in needed:
        if requirement.marker is None or requirement.marker.evaluate():
            assert canonicalize_name(requirement.name) in listed
    assert [name for name, component in listed.items() if not component["licenses"]] == []
    assert not {"pytest", "ruff", "pyrefly"} & listed.keys()
    references = {component["bom-ref"] for component in document["components"]}
    edges = {edge["ref"]: edge["dependsOn"] for edge in document["dependencies"]}
    assert edges.keys() == references | {f"radiance@{__version__}"}
    assert {on for needed in edges.values() for on in needed} <= references


def test_no_dependency_has_a_licence_that_binds_the_whole():
    bound = re.compile(r"\b(A?GPL|SSPL|BUSL|Commons Clause)", re.IGNORECASE)
    for component in sbom.components():
        assert not bound.search(str(component["licenses"])), component


@pytest.mark.slow
def test_the_formula_is_of_the_sdist_and_starts_the_service(sdist):
    text = formula.render(sdist, "https://example.org/radiance.tar.gz")
    assert f'version "{__version__}"' in text
    assert re.search(r'sha256 "[0-9a-f]{64}"', text)
    assert 'run [opt_bin/"radiance", "run", "--root", var/"radiance"]' in text
    assert text.count(" do\n") + text.count("def ") + 1 == len(re.findall(r"^ *end$", text, re.M))
    if ruby := shutil.which("ruby"):
        subprocess.run([ruby, "-c"], input=text.encode(), check=True, capture_output=True)
