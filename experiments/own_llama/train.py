"""Train a tiny Hugging Face model with TRL on one task after another: a worked example with something to explain.

Two tasks in text, each with one right answer, a digit. The digits are what they share:

    sums     2 + 3 + 1 =    6    three digits whose sum is one digit
    words    b a d e e =    3    how many of five letters are vowels

Three models, each a folder that `from_pretrained` and `toymdrl audit` read:

    start    after demonstrations of both tasks, many of them wrong
    sums     from there, after GRPO on sums
    words    from there, after GRPO on words: what has it done to sums?

An answer is a digit and an end, so one forward pass gives the exact expected reward, with its derivatives. From here it
is `Hessian(module, loss("sums", "train"))`, or `fisher_diagonal(module, sampled_logprobs("sums", "train"))`.

    pip install -e '.[bench]' && python -m experiments.own_llama.train --out tiny
"""

import warnings
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from toymdrl.streams import stream

Task = Literal["sums", "words"]
Split = Literal["train", "eval"]

TASKS: tuple[Task, ...] = ("sums", "words")
LETTERS, VOWELS = "abcdei", "aei"
PAD, EOS = "<pad>", "<eos>"
TOKENS = [PAD, EOS, *"0123456789", *LETTERS, "+", "="]
IDS = {token: index for index, token in enumerate(TOKENS)}
TRAIN, EVAL = 160, 60  # prompts of each task; there are no more sums

WRONG = 0.5  # share of demonstrations with any digit for an answer: what it leaves unsure is for RL to win
WARM_STEPS, WARM_RATE = 400, 3e-3
RL_STEPS, RL_RATE = {"sums": 40, "words": 20}, 1e-3
PROMPTS, GROUP = 32, 8  # of a GRPO step, and answers to each

# The tasks.


def texts(task: Task, split: Split) -> list[tuple[str, str]]:
    """Prompts and their right answers; no prompt is in both splits."""
    if task == "sums":
        every = [(f"{a} + {b} + {c} =", str(a + b + c)) for a, b, c in product(range(10), repeat=3) if a + b + c < 10]
    else:
        every = [(f"{' '.join(word)} =", str(sum(map(VOWELS.count, word)))) for word in product(LETTERS, repeat=5)]
    order = torch.randperm(len(every), generator=stream(task, "order")).tolist()
    return [every[i] for i in (order[:TRAIN] if split == "train" else order[TRAIN : TRAIN + EVAL])]


def prompts(task: Task, split: Split) -> Tensor:
    """Token ids, (prompts, 6): all are of one length, so none is padded."""
    return torch.tensor([[IDS[token] for token in prompt.split()] for prompt, _ in texts(task, split)])


def answers(task: Task, split: Split) -> Tensor:
    """Token ids of the right answers, a digit and the end, (prompts, 2)."""
    return torch.tensor([[IDS[answer], IDS[EOS]] for _, answer in texts(task, split)])


# What a model makes of them.


def token_logprobs(module: nn.Module, asked: Tensor, replies: Tensor) -> Tensor:
    """Log-probability of each token of the replies (n, 2) to prompts (n, length), given all before it: (n, 2)."""
    logits = module(input_ids=torch.cat([asked, replies[:, :-1]], dim=1)).logits[:, asked.shape[1] - 1 :]
    return logits.log_softmax(-1).gather(-1, replies.unsqueeze(-1)).squeeze(-1)


def loss(task: Task, split: Split) -> Callable[[nn.Module], Tensor]:
    """Minus the exact expected reward of a model: a scalar, from -100 (always right) to 0."""
    asked, right = prompts(task, split), answers(task, split)
    return lambda module: -100 * token_logprobs(module, asked, right).sum(dim=1).exp().mean()


def sampled_logprobs(task: Task, split: Split) -> Callable[[nn.Module], Iterator[Tensor]]:
    """Log-probability of one answer to each prompt that the model itself draws, a scalar each: for a Fisher diagonal.

    The draws start anew with each call, so that the same model gives the same answers.
    """
    asked = prompts(task, split)

    def logprobs(module: nn.Module) -> Iterator[Tensor]:
        generator = stream(task, split, "fisher")
        replies = asked[:, :0]
        for _ in range(2):
            with torch.no_grad():
                policy = module(input_ids=torch.cat([asked, replies], dim=1)).logits[:, -1].softmax(-1)
            replies = torch.cat([replies, torch.multinomial(policy, 1, generator=generator)], dim=1)
        for prompt, reply in zip(asked.split(1), replies.split(1), strict=True):
            first, second = token_logprobs(module, prompt, reply)[0]
            # What is drawn after an end is no part of the answer.
            yield first if reply[0, 0] == IDS[EOS] else first + second

    return logprobs


# Training.


def tokenizer() -> PreTrainedTokenizerFast:
    """One token for each word of a prompt."""
    words = Tokenizer(models.WordLevel(IDS, unk_token=PAD))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token=PAD, eos_token=EOS, padding_side="left")


def model(seed: int) -> LlamaForCausalLM:
    """A Llama of random weights."""
    torch.manual_seed(seed)  # transformers draws its weights from the global generator
    config = LlamaConfig(
        vocab_size=len(TOKENS),
        hidden_size=48,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        pad_token_id=IDS[PAD],
        bos_token_id=None,
        eos_token_id=IDS[EOS],
        attn_implementation="eager",  # type: ignore[call-arg]  # not declared, but taken
    )
    return LlamaForCausalLM(config)


def save(module: Any, folder: Path) -> None:
    """A folder for `from_pretrained`, with the weights under the names that they have in the module."""
    module.save_pretrained(folder, save_original_format=False)
    tokenizer().save_pretrained(folder)


def warm_start(module: nn.Module, seed: int) -> None:
    """Adam on demonstrations of both tasks, a share of them wrong: the model learns both, and is sure of neither."""
    asked, right = (torch.cat([part(task, "train") for task in TASKS]) for part in (prompts, answers))
    generator = stream(seed, "warm start")
    optimiser = torch.optim.Adam(module.parameters(), lr=WARM_RATE)
    for _ in range(WARM_STEPS):
        rows = torch.randint(len(asked), (128,), generator=generator)
        digits = torch.randint(IDS["0"], IDS["9"] + 1, (128,), generator=generator)
        wrong = torch.rand(128, generator=generator) < WRONG
        shown = right[rows]
        shown[:, 0] = torch.where(wrong, digits, shown[:, 0])
        optimiser.zero_grad()
        (-token_logprobs(module, asked[rows], shown).sum(dim=1).mean()).backward()
        optimiser.step()


def reward(completion_ids: list[list[int]], answer: list[str], **_: Any) -> list[float]:
    """1 for the right digit and then the end, else 0. TRL hands over each column of the data by its name."""
    return [float(ids == [IDS[right], IDS[EOS]]) for ids, right in zip(completion_ids, answer, strict=True)]


def reinforce(task: Task, before: Path, after: Path, seed: int) -> None:
    """GRPO on one task, from the model in one folder to a model in another."""
    # These have types that change with their versions, and may be missing: they enter as modules of anything.
    datasets, trl = map(import_module, ("datasets", "trl"))
    config = trl.GRPOConfig(
        output_dir=str(after),
        seed=stream(seed, "grpo", task).initial_seed(),
        max_steps=RL_STEPS[task],
        learning_rate=RL_RATE,
        per_device_train_batch_size=PROMPTS * GROUP,
        num_generations=GROUP,
        max_completion_length=2,
        beta=0.01,
        model_init_kwargs={"dtype": "float32", "attn_implementation": "eager"},
        bf16=False,  # else TRL turns it on, on a CPU too
        use_cpu=True,
        activation_checkpointing=False,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    data = datasets.Dataset.from_list([{"prompt": prompt, "answer": answer} for prompt, answer in texts(task, "train")])
    # The path, not the model: TRL reads the reference of its KL term from there too.
    trainer = trl.GRPOTrainer(str(before), reward, config, data, processing_class=tokenizer())
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    save(trainer.model, after)


@torch.no_grad()
def scores(folder: Path) -> list[float]:
    """Exact expected reward on unseen prompts, 0 to 100, one for each task."""
    module = LlamaForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    return [-float(loss(task, "eval")(module)) for task in TASKS]


def main() -> None:
    """Train on sums, then on words, and show what each did to both."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the three models")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    transformers.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)  # TRL asks by the old name

    module = model(given.seed)
    warm_start(module, given.seed)
    save(module, given.out / "start")
    reinforce("sums", given.out / "start", given.out / "sums", given.seed)
    reinforce("words", given.out / "sums", given.out / "words", given.seed)

    print(f"{'after':<8}" + "".join(f"{task:>7}" for task in TASKS))
    for stage in ("start", *TASKS):
        print(f"{stage:<8}" + "".join(f"{score:7.1f}" for score in scores(given.out / stage)))


if __name__ == "__main__":
    main()
