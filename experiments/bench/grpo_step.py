"""Seconds of one GRPO step: this package against TRL's GRPOTrainer, in one process, taking turns.

Both take a step on 256 answers (32 prompts of the Math domain, groups of 8; prompts of 7 tokens, answers of at most 2)
with a three-layer policy of width 64 in float32, a frozen reference for the KL penalty, AdamW, one update per rollout
and the same number of threads. TRL gets the matching Qwen3 model and a word tokenizer over the same vocabulary, both
made here: nothing is downloaded. TRL's settings are those that do the same work: no gradient checkpointing, no
bfloat16, no saving, logging or reporting.

Two differences remain. TRL's reward is the share of right digits, not the exact check, because its model starts
random and would earn nothing, so that all its advantages would be zero; ours starts from a short warm start. And the
KL estimator is k3 on sampled tokens there, exact over the vocabulary here. That ours reads a prompt once for its whole
group, and TRL once for every answer, is part of what is measured.

A round is one step of TRL and then one of ours, so both see the same load of the machine. A step of TRL is all that its
loop does from the end of one step to the end of the next. Garbage is collected between the two, outside both times.
Run it on a machine that does nothing else, with no more threads than cores: where other programs hold the cores, the
threads of one operation wait for each other, and a step can take a hundred times as long. The load average before the
measurement is in the result; the wait for threads shows as a
peak far below other runs or medians far from the fastest rounds.

The second result is the share of the machine's peak that our step reaches: the floating-point operations of its matrix
products (sampling, reference, forward, backward), counted by torch, over the rate of large float32 products.

    pip install -e ".[bench]"
    python -m experiments.bench.grpo_step       # a minute; writes experiments/results/bench_grpo_step.json
"""

import argparse
import gc
import json
import os
import platform
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from toymdrl.domains import DOMAINS, problems
from toymdrl.domains.vocab import EOS, PAD, TOKENS
from toymdrl.runs.config import PRESETS
from toymdrl.training import stage as training
from toymdrl.training.stage import BETAS, Training

CONFIG = PRESETS["laptop"]
MATH = DOMAINS["math"]
RESULT = Path(__file__).parents[1] / "results" / "bench_grpo_step.json"
WARM_UP = 3
"""Rounds that are not counted."""


def our_stage(steps: int) -> Training:
    """GRPO on Math from a short warm start, at the laptop preset."""
    start = training.warm_start(CONFIG.model, replace(CONFIG.warm_start, steps=100), CONFIG.seed)
    while start.step < start.steps:
        start.advance()
    return training.rl_stage(start.policy, "math", replace(CONFIG.grpo, steps=steps), CONFIG.seed, "bench")


def right_digits(facts: Tensor, completions: list[list[int]]) -> Tensor:
    """Share of each answer's tokens that are right; not constant within a group even for a random policy."""
    length = MATH.answer_length
    answers = torch.tensor([(tokens + [PAD] * length)[:length] for tokens in completions])
    return (answers == MATH.candidates(facts)[:, 0]).float().mean(dim=1)


def trl_trainer(steps: int, folder: Path, rewards: list[Tensor]) -> Any:
    """A GRPOTrainer that does the work of `our_stage`; the rewards of each of its steps are appended to `rewards`."""
    # These have types that change with their versions, and may be missing: they enter as modules of anything.
    tokenizers, transformers, trl = map(import_module, ("tokenizers", "transformers", "trl"))
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({t: i for i, t in enumerate(TOKENS)}, unk_token="<pad>"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token=TOKENS[PAD], eos_token=TOKENS[EOS], padding_side="left"
    )
    sizes, grpo = CONFIG.model, CONFIG.grpo
    shape = {"vocab_size": sizes.vocabulary, "hidden_size": sizes.width, "intermediate_size": sizes.neurons}
    shape |= {"num_hidden_layers": sizes.layers, "max_position_embeddings": sizes.positions}
    shape |= {"num_attention_heads": sizes.heads, "num_key_value_heads": sizes.heads}
    shape |= {"head_dim": sizes.width // sizes.heads, "pad_token_id": PAD, "eos_token_id": EOS}
    model = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**shape, tie_word_embeddings=False))
    model.save_pretrained(folder / "model")  # TRL reads its reference from where the policy came from

    def reward(completion_ids: list[list[int]], facts: list[list[int]], **_: Any) -> list[float]:
        rewards.append(right_digits(torch.tensor(facts), completion_ids).view(-1, grpo.group))
        return rewards[-1].flatten().tolist()

    train = problems(MATH, "train")
    prompts = [" ".join(TOKENS[token] for token in prompt) for prompt in train.prompts.tolist()]
    settings: dict[str, Any] = {"output_dir": str(folder / "output"), "max_steps": steps}
    settings |= {"per_device_train_batch_size": grpo.prompts * grpo.group, "num_generations": grpo.group}
    settings |= {"num_iterations": grpo.updates, "gradient_accumulation_steps": 1, "steps_per_generation": 1}
    settings |= {"max_completion_length": MATH.answer_length, "temperature": 1.0, "top_p": 1.0, "top_k": 0}
    settings |= {"beta": grpo.kl, "epsilon": grpo.clip, "loss_type": "dr_grpo", "scale_rewards": "none"}
    settings |= {"optim": "adamw_torch_fused", "adam_beta1": BETAS[0], "adam_beta2": BETAS[1], "weight_decay": 0.0}
    settings |= {"learning_rate": grpo.learning_rate, "lr_scheduler_type": "linear"}
    settings |= {"max_grad_norm": grpo.gradient_norm, "use_cpu": True, "bf16": False, "gradient_checkpointing": False}
    settings |= {"model_init_kwargs": {"dtype": "float32", "attn_implementation": "sdpa"}}
    settings |= {"logging_strategy": "no", "save_strategy": "no", "eval_strategy": "no", "report_to": "none"}
    settings |= {"disable_tqdm": True, "dataloader_pin_memory": False}
    trainer = trl.GRPOTrainer(
        model=str(folder / "model"),
        reward_funcs=reward,
        args=trl.GRPOConfig(**settings),
        train_dataset=import_module("datasets").Dataset.from_dict({"prompt": prompts, "facts": train.facts.tolist()}),
        processing_class=tokenizer,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def seconds(work: Callable[[], object]) -> float:
    """What one call takes."""
    start = perf_counter()
    work()
    return perf_counter() - start


def take_turns(trainer: Any, ours: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Run the trainer to its end, and `ours` after each of its steps: seconds of each step of TRL, and of ours."""
    theirs: list[float] = []
    own: list[float] = []
    began = perf_counter()

    def step_ended(*_: object, **__: object) -> None:
        nonlocal began
        theirs.append(perf_counter() - began)
        gc.collect()
        own.append(seconds(ours))
        gc.collect()
        began = perf_counter()

    callback = import_module("transformers").TrainerCallback()
    callback.on_step_end = step_ended
    trainer.add_callback(callback)
    trainer.train()
    return theirs, own


def peak(size: int = 2048, repeats: int = 10) -> float:
    """Floating-point operations a second of the fastest of several large float32 products."""
    left, right, out = torch.randn(3, size, size)
    return 2 * size**3 / min(seconds(lambda: torch.mm(left, right, out=out)) for _ in range(repeats))


def measure(rounds: int, threads: int) -> dict[str, Any]:
    """Everything this script reports, the ratio first."""
    torch.set_num_threads(threads)
    torch.manual_seed(CONFIG.seed)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    highest = peak()
    total = WARM_UP + rounds
    stage = our_stage(total + 1)
    parameters = sum(weight.numel() for weight in stage.policy.parameters())
    rewards: list[Tensor] = []
    with tempfile.TemporaryDirectory() as folder:
        trainer = trl_trainer(total, Path(folder), rewards)
        their_parameters = sum(weight.numel() for weight in trainer.model.parameters())
        theirs, own = (times[WARM_UP:] for times in take_turns(trainer, stage.advance))
    with FlopCounterMode(display=False) as counter:
        stage.advance()
    highest = max(highest, peak())
    if torch.get_num_threads() != threads:
        raise RuntimeError(f"the number of threads became {torch.get_num_threads()}; {threads} were asked for")
    lower, _, upper = quantiles([b / a for a, b in zip(own, theirs, strict=True)], n=4)
    flop = counter.get_total_flops()
    flat = [float((step.amax(dim=1) == step.amin(dim=1)).float().mean()) for step in rewards[WARM_UP:]]
    return {
        "ratio": median(theirs) / median(own),
        "ratio_quartiles": [lower, upper],
        "ratio_of_fastest": min(theirs) / min(own),
        "seconds": {"toymdrl": median(own), "trl": median(theirs)},
        "peak_flop_per_second": highest,
        "flop": flop,
        "floor_seconds": flop / highest,
        "share_of_peak": flop / highest / median(own),
        "share_of_peak_fastest": flop / highest / min(own),
        "rounds": rounds,
        "threads": threads,
        "cores": os.cpu_count(),
        "load_average_before": load,
        "parameters": {"toymdrl": parameters, "trl": their_parameters},
        "trl_flat_groups": sum(flat) / len(flat),
        "versions": {name: version(name) for name in ("torch", "trl", "transformers")},
        "processor": platform.processor() or platform.machine(),
        "rounds_seconds": {"toymdrl": own, "trl": theirs},
    }


def main() -> int:
    """Command line; the exit status."""
    parser = argparse.ArgumentParser(description="Seconds of one GRPO step, against TRL and against the machine.")
    parser.add_argument("--threads", type=int, default=CONFIG.threads)
    parser.add_argument("--rounds", type=int, default=31, help="at least 7")
    parser.add_argument("--out", type=Path, default=RESULT, help="where to write the result as JSON")
    options = parser.parse_args()
    if options.rounds < 7 or options.threads < 1:
        parser.error(f"rounds {options.rounds} and threads {options.threads}: use at least 7 and 1")
    warnings.filterwarnings("ignore", category=FutureWarning)  # between versions of TRL and transformers
    os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")  # read when TRL is imported
    try:
        import_module("trl")
    except ImportError as error:
        print(f'{error}; install the package with its bench extra: pip install -e ".[bench]"', file=sys.stderr)
        return 2
    result = measure(options.rounds, options.threads)
    low, high = result["ratio_quartiles"]
    own, theirs = (1e3 * result["seconds"][name] for name in ("toymdrl", "trl"))
    print(
        f"a step of TRL takes {result['ratio']:.1f} times as long as ours "
        f"(quartiles of rounds {low:.1f} to {high:.1f}, fastest of each {result['ratio_of_fastest']:.1f})",
        f"medians of {options.rounds} rounds, {options.threads} threads: ours {own:.1f} ms, TRL {theirs:.1f} ms",
        f"our step: {result['flop'] / 1e9:.3f} GFLOP, at least {1e3 * result['floor_seconds']:.1f} ms at the peak of "
        f"{result['peak_flop_per_second'] / 1e9:.0f} GFLOP/s; it reaches {result['share_of_peak']:.1%} of the peak, "
        f"the fastest {result['share_of_peak_fastest']:.1%}",
        f"parameters {result['parameters']}; {result['versions']}; {result['processor']}",
        sep="\n",
    )
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
