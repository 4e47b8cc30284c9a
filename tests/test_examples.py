"""The gallery: each script runs as its user would run it, and leaves its picture."""

import re
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"

#: Arguments that keep a script short, and what it writes.
SCRIPTS = {
    "ceiling_and_ablation": (["--seeds", "1"], ["ceiling_and_ablation.png"]),
    "classical_twin": ([], ["classical_twin.png"]),
    "ensemble_of_teachers": (["--seeds", "1"], ["ensemble_of_teachers.png"]),
    "grid_search": (["--folds", "2"], ["grid_search.png"]),
    "own_ansatz": (["--seeds", "1"], ["own_ansatz.png"]),
    "own_teachers": (["--seeds", "1"], ["own_teachers.png"]),
    "own_table": (["--seeds", "1"], ["own_table.png", "own_table.csv", "own_table.joblib"]),
    "pipeline": (["--folds", "2"], ["pipeline.png"]),
    "save_and_load": ([], ["save_and_load.png", "student.joblib", "student.skops"]),
    "teacher_features": (["--seeds", "1"], ["teacher_features.png"]),
    "unlabelled_images": (["--seeds", "1"], ["unlabelled_images.png"]),
}
#: These take longer; CI runs them with the gallery.
LONG = {"distributed_search", "plot_shots_and_noise", "quickstart"}


def run(name, arguments, folder):
    if name == "save_and_load":
        pytest.importorskip("skops")
    command = [sys.executable, "-W", "error", EXAMPLES / f"{name}.py", "--output", folder]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_runs(name, tmp_path):
    arguments, files = SCRIPTS[name]
    printed = run(name, arguments, tmp_path)
    accuracies = [float(number) for number in re.findall(r"(\d+\.\d+) %", printed)]
    assert accuracies
    assert all(50 < accuracy <= 100 for accuracy in accuracies), printed
    if name == "save_and_load":
        assert "in another process: 0.0\n" in printed
    for file in files:
        assert (tmp_path / file).stat().st_size > 0
        if file.endswith(".png"):
            assert matplotlib.image.imread(tmp_path / file).std() > 0.05  # no blank page


def test_every_script_is_run_and_listed():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {*SCRIPTS, *LONG}
    listed = (EXAMPLES / "README.md").read_text()
    assert set(re.findall(r"\]\((\w+)\.py\)", listed)) == names
    pictures = set(re.findall(r"\((results/\w+\.png)\)", listed))
    assert all((EXAMPLES / picture).is_file() for picture in pictures)
    written = {file for _, files in SCRIPTS.values() for file in files if file.endswith(".png")}
    assert {f"results/{file}" for file in written} <= pictures
    assert all((EXAMPLES / "results" / file).stat().st_size < 100_000 for file in written)


@pytest.mark.parametrize("name", [*SCRIPTS, *sorted(LONG)])
def test_it_is_short(name):
    assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) <= 90
