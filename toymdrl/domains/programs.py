"""Code: ``C314>413`` asks for a program of one or two instructions that turns the list 314 into 413.

An answer is run by a small interpreter on the example and on hidden inputs. Every program that does what the hidden
reference program does earns the reward; one that only fits the example does not.
"""

import torch
from torch import Tensor

from toymdrl.domains.vocab import EOS, FIRST_DIGIT, FIRST_INSTRUCTION, INSTRUCTIONS, columns

LENGTH = 3
HIDDEN = 4
PROBLEMS = 10_000


def execute(instruction: str, lists: Tensor) -> Tensor:
    """One instruction on lists of digits (…, LENGTH).

    Raises:
        ValueError: an unknown instruction.
    """
    match instruction:
        case "reverse":
            return lists.flip(-1)
        case "sort":
            return lists.sort(dim=-1).values
        case "rotate":  # the first element goes to the end
            return lists.roll(-1, dims=-1)
        case "double":
            return 2 * lists % 10
        case "increment":
            return (lists + 1) % 10
        case "complement":
            return 9 - lists
    raise ValueError(f"unknown instruction {instruction!r}; choose one of {', '.join(INSTRUCTIONS)}")


def interpret(programs: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Run many programs, each on several lists.

    A program stops at EOS or at its end. It fails on a token that is no instruction, and if it is empty.

    Args:
        programs: tokens (programs, program length).
        inputs: digits (programs, inputs, LENGTH).

    Returns:
        Outputs, digits (programs, inputs, LENGTH), and whether each program ran without failure (programs,).
    """
    outputs = inputs
    running = torch.ones(len(programs), dtype=torch.bool, device=programs.device)
    fine = programs[:, 0] != EOS
    # All programs in step; `where` instead of branches, so that a GPU can record it.
    for opcode in programs.unbind(1):
        running = running & (opcode != EOS)
        known = torch.zeros_like(running)
        after = outputs
        for index, instruction in enumerate(INSTRUCTIONS):
            chosen = running & (opcode == FIRST_INSTRUCTION + index)
            after = torch.where(chosen[:, None, None], execute(instruction, outputs), after)
            known |= chosen
        fine &= known | ~running
        outputs = after
    return outputs, fine


def all_programs() -> Tensor:
    """The 6 programs of one instruction and the 36 of two: (42, 2)."""
    codes = FIRST_INSTRUCTION + torch.arange(len(INSTRUCTIONS))
    one = torch.stack([codes, torch.full_like(codes, EOS)], dim=1)
    return torch.cat([one, torch.cartesian_prod(codes, codes)])


class Programs:
    """Program synthesis from one example; facts are its input, the reference program's tokens and the hidden inputs."""

    key = "code"
    title = "Code"
    prompt_length = 8
    answer_length = 2
    held_out = 1024

    def population(self, generator: torch.Generator) -> Tensor:
        """Every example text at most once, its reference program drawn among all that could have made it."""
        lists = torch.cartesian_prod(*[torch.arange(10)] * LENGTH)
        references = all_programs()
        inputs = lists.repeat_interleave(len(references), dim=0)
        programs = references.repeat(len(lists), 1)
        order = torch.randperm(len(inputs), generator=generator)
        inputs, programs = inputs[order], programs[order]
        outputs = interpret(programs, inputs[:, None])[0][:, 0]
        place = 10 ** torch.arange(LENGTH)
        text = (inputs * place).sum(dim=1) * 10**LENGTH + (outputs * place).sum(dim=1)
        # A stable sort puts the first drawn of each text first in its group.
        ordered, by_text = text.sort(stable=True)
        first = torch.ones_like(ordered, dtype=torch.bool)
        first[1:] = ordered[1:] != ordered[:-1]
        rows = by_text[first]
        rows = rows[torch.randperm(len(rows), generator=generator)[:PROBLEMS]]
        hidden = torch.randint(10, (len(rows), HIDDEN * LENGTH), generator=generator)
        return torch.cat([inputs[rows], programs[rows], hidden], dim=1)

    def _inputs(self, facts: Tensor) -> Tensor:
        """The example's input, then the hidden ones: (rows, 1 + HIDDEN, LENGTH)."""
        return torch.cat([facts[:, :LENGTH], facts[:, LENGTH + 2 :]], dim=1).view(len(facts), 1 + HIDDEN, LENGTH)

    def _reference(self, facts: Tensor) -> Tensor:
        return facts[:, LENGTH : LENGTH + 2]

    def render(self, facts: Tensor) -> Tensor:
        example = facts[:, :LENGTH]
        output = interpret(self._reference(facts), example[:, None])[0][:, 0]
        return columns("C", *(FIRST_DIGIT + example).unbind(1), ">", *(FIRST_DIGIT + output).unbind(1))

    def demonstrate(self, facts: Tensor, generator: torch.Generator) -> Tensor:
        """The reference program; in a third of the answers its second token is a random instruction or EOS."""
        programs = self._reference(facts).clone()
        wrong = torch.rand(len(facts), generator=generator) < 1 / 3
        seconds = torch.tensor([EOS, *range(FIRST_INSTRUCTION, FIRST_INSTRUCTION + len(INSTRUCTIONS))])
        other = seconds[torch.randint(len(seconds), (len(facts),), generator=generator)]
        programs[:, 1] = torch.where(wrong, other, programs[:, 1])
        return programs

    def reward(self, facts: Tensor, answers: Tensor) -> Tensor:
        inputs = self._inputs(facts)
        wanted, _ = interpret(self._reference(facts), inputs)
        got, fine = interpret(answers, inputs)
        return (fine & (got == wanted).all(dim=2).all(dim=1)).float()

    def candidates(self, facts: Tensor) -> Tensor:
        return all_programs().unsqueeze(0)
