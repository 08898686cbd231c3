"""Train the course's warm start anew and write its file: `python -m toymdrl.course`."""

from toymdrl.course.start import FILE, LAPTOP
from toymdrl.files import save_tensors
from toymdrl.policy.scores import evaluate, weights
from toymdrl.runs.machine import prepare
from toymdrl.training.stage import warm_start


def main() -> None:
    """Half a minute on two idle cores."""
    prepare(LAPTOP)
    policy = warm_start(LAPTOP.model, LAPTOP.warm_start, LAPTOP.seed).finish()
    digest = save_tensors(FILE, weights(policy), {"made by": "python -m toymdrl.course"})
    print(f"{FILE}\nSHA-256 of its tensors: {digest}\nscores: {evaluate(policy)}")


if __name__ == "__main__":
    main()
