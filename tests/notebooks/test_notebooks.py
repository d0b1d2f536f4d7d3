"""The notebooks run from top to bottom, at small settings; the second looks into a run of the first."""

import warnings
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
# In this order: the first leaves what the second explores.
NAMES = ("quickstart", "explore")


def read(name):
    # What Jupyter's own packages deprecate is not this project's affair.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import nbformat

        return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def execute(notebook, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nbclient import NotebookClient

        where = {"metadata": {"path": str(folder)}}
        NotebookClient(notebook, timeout=900, kernel_name="python3", resources=where).execute()
    return notebook


def test_the_notebooks_run(tmp_path, monkeypatch):
    work = tmp_path / "work"
    monkeypatch.setenv("MMEA_SMALL", "1")
    monkeypatch.setenv("MMEA_WORK", str(work))
    monkeypatch.setenv("MMEA_WORKDIR", str(work / "mimea"))
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOKS.parent))
    for name in NAMES:
        code = [cell for cell in execute(read(name), tmp_path).cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in code)
        outputs = [output for cell in code for output in cell.outputs]
        assert any("image/png" in output.get("data", {}) for output in outputs)
        assert not [output for output in outputs if output.output_type == "error"]


def test_every_notebook_is_run():
    assert sorted(NAMES) == sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.parametrize("name", NAMES)
def test_the_notebook_is_stored_without_outputs(name):
    assert not [cell for cell in read(name).cells if cell.get("outputs") or cell.get("execution_count")]
