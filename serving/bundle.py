"""The bundle: a release as a Bento, built whole or not at all."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

from models.release import Release
from posology.errors import CannotDo
from serving.requirements import ROOMS, ROOT, pinned_requirements

SERVICE = "serving.service"
QUIET = {"BENTOML_DO_NOT_TRACK": "True"}
STATE = "/var/lib/posology"  # of a container: what must outlive it, when there is a volume
IN_A_CONTAINER = {
    **QUIET,
    "BENTOML_HOST": "0.0.0.0",  # noqa: S104 - nobody reaches a container's loopback
    "POSOLOGY_JOURNAL": f"{STATE}/journal",
    "POSOLOGY_PLAN_KEY": f"{STATE}/plan.key",
    "OMP_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
}
MAKE_STATE = f"#!/bin/sh\nset -e\ninstall -d -o bentoml -g bentoml -m 700 {STATE}\n"


def build_bundle(release_folder: Path, *, bento_home: Path) -> str:
    """The tag of the release's Bento in this BentoML home, built when it is not there yet.

    Raises:
        NotFound: no release in the folder.
        CannotDo: the build failed; nothing of it is left.
    """
    release = Release.load(release_folder)
    name, version = f"posology-{release.therapy.name}", release.name.rpartition("-")[2]
    target = bento_home / "bentos" / name / version
    if not target.exists():
        bento_home.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix="posology-bundle-") as context,  # BentoML refuses one in a hidden folder
            tempfile.TemporaryDirectory(prefix=".building-", dir=bento_home) as elsewhere,
        ):
            _assemble(Path(context), release_folder, name)
            _build(Path(context), Path(elsewhere), version)
            _add_compiled(Path(elsewhere, "bentos", name, version, "src"))
            _publish(Path(elsewhere, "bentos", name, version), target)
    return f"{name}:{version}"


def bento_environment(bento_home: Path, more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a BentoML process that works on this home and tells nobody."""
    return {**os.environ, **QUIET, "BENTOML_HOME": str(bento_home.absolute()), **more}


def _assemble(context: Path, release_folder: Path, name: str) -> None:
    for room in ROOMS:
        shutil.copytree(ROOT / room, context / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(release_folder, context / "release")
    recipe = {
        "service": SERVICE,
        "name": name,
        "include": ["**"],
        "python": {"packages": pinned_requirements(SERVICE), "lock_packages": False},
        "docker": {"setup_script": "./make_state.sh"},
        "envs": [{"name": name, "value": value} for name, value in IN_A_CONTAINER.items()],
    }
    (context / "make_state.sh").write_text(MAKE_STATE, encoding="utf-8")
    (context / "bentofile.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")


def _build(context: Path, home: Path, version: str) -> None:
    command = [sys.executable, "-m", "bentoml", "build", str(context), "--version", version]
    built = subprocess.run(
        command, cwd=context, env=bento_environment(home, {}), capture_output=True, text=True, check=False
    )
    if built.returncode != 0:
        last = "\n".join((built.stdout + built.stderr).splitlines()[-5:])
        raise CannotDo(f"the bundle could not be built:\n{last}")


def _add_compiled(source: Path) -> None:
    """Numba's compiled functions beside the code, so that the first start does not compile them again.

    Numba takes them only for a source file of the same age, and for the same processor.
    """
    for room in ROOMS:
        for file in (*(ROOT / room).rglob("*.py"), *(ROOT / room).rglob("__pycache__/*.nb[ci]")):
            copy = source / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, copy)


def _publish(built: Path, target: Path) -> None:
    """Move the whole Bento into its place; whoever was quicker built the same one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        built.rename(target)
    except OSError:
        if not target.exists():
            raise
