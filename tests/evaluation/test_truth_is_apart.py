"""Ground truth is opened by articulate/evaluation alone: labels never reach training."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The store writes truth files and knows where they lie; nothing but the evaluation reads them.
MAY_NAME_THE_PLACE = {"articulate/data/store.py", "articulate/data/store_writer.py", "articulate/data/store_layout.py"}


def test_no_other_part_reads_truth():
    offenders = []
    for file in [*ROOT.glob("articulate/**/*.py"), *ROOT.glob("stages/*.py"), ROOT / "run_pipeline.py"]:
        name = file.relative_to(ROOT).as_posix()
        if name.startswith("articulate/evaluation/") or not file.is_file():
            continue
        text = file.read_text()
        if re.search(r"evaluation(\.|\s+import\s+)(truth|sequences)", text):
            offenders.append(name)
        if "truth_path(" in text and name not in MAY_NAME_THE_PLACE:
            offenders.append(name)
    assert offenders == []


def test_training_stages_do_not_evaluate():
    """Only the last stage, which trains nothing, may measure."""
    offenders = [
        file.name
        for file in ROOT.glob("stages/*.py")
        if file.name != "export.py" and "evaluation" in re.sub(r'""".*?"""|#.*', "", file.read_text(), flags=re.S)
    ]
    assert offenders == []
