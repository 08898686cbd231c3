"""`python -m toymdrl.course train` makes the course's checkpoints anew."""

import argparse
from collections.abc import Sequence

from toymdrl.course.start import LAPTOP, RUN, scores, train
from toymdrl.files import save_tensors
from toymdrl.policy.model import Policy
from toymdrl.policy.scores import weights
from toymdrl.runs.machine import prepare
from toymdrl.training.stage import warm_start


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m toymdrl.course", description=__doc__)
    commands = parser.add_subparsers(required=True)
    commands.add_parser("train", help="make the course's checkpoints anew").set_defaults(do=_train)
    given = parser.parse_args(arguments)
    given.do(given)


def _train(_: argparse.Namespace) -> None:
    """A minute on an idle core."""
    prepare(LAPTOP)
    policy = warm_start(LAPTOP.model, LAPTOP.warm_start, LAPTOP.seed).finish()
    _save("base", policy)
    for domain in LAPTOP.order:
        policy = train(policy, domain)
        _save(domain, policy)


def _save(name: str, policy: Policy) -> None:
    digest = save_tensors(RUN / f"{name}.safetensors", weights(policy), {"made by": "python -m toymdrl.course train"})
    print(f"{name}: {digest}, scores {scores(policy)}", flush=True)


if __name__ == "__main__":
    main()
