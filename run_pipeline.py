"""Run a configuration from data to results: `python run_pipeline.py configs/h36m_split.yaml seed=1 --fresh`."""

import argparse
import sys
from pathlib import Path

from articulate.errors import ArticulateError, explained
from articulate.waiting import wait_asleep


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line; overrides are `key=value` with dots for sections."""
    parser = argparse.ArgumentParser(
        prog="run_pipeline.py",
        description="Unlabelled video in; keypoints, the tree of limbs and 3D motion out.\n"
        "The same command goes on where it stopped; results are never overwritten.",
        epilog="examples:\n  python run_pipeline.py configs/h36m_split.yaml\n"
        "  python run_pipeline.py configs/animal_split.yaml 'data.videos=[mouse/*.mp4]' keypoints.num_keypoints=10",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help="a file in configs/, or your own")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="change a value, such as seed=1 or data.size=96"
    )
    parser.add_argument("--fresh", action="store_true", help="start in a new folder even where a run could be resumed")
    parser.add_argument("--device", default=None, help="auto, cpu, cuda, cuda:N or mps (default: the config's)")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads (default: as many as there are cores)")
    return parser.parse_intermixed_args(arguments)  # options may stand before overrides


def main(arguments: list[str]) -> int:
    """Run; returns the exit status and turns every error of the user's into one message."""
    options = parse(arguments)
    wait_asleep()
    from stages.pipeline import run  # imported late: `--help` answers at once

    try:
        folder = run(
            options.config, options.overrides, fresh=options.fresh, device=options.device, threads=options.threads
        )
    except ArticulateError as error:
        print(f"\n{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        mendable = explained(error)
        if mendable is None:
            raise
        print(f"\n{mendable}", file=sys.stderr)
        return mendable.exit_code
    print(f"results: {folder}")
    if (folder / "report.html").is_file():
        print(f"look at: {folder / 'report.html'}")
    print(f"go on:   articulate export {folder.parent} --to dlc sleap bvh    articulate apply {folder.parent} VIDEOS")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
