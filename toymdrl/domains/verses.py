"""CW (creative writing): ``W moon flee r3 |`` asks for four words that use the two given and end on a rhyme class.

The words are four pairs that rhyme, a noun and a verb in each: moon croon, sea flee, night write, rain wane.
"""

from functools import cache

import torch
from torch import Tensor

from toymdrl.domains.vocab import FIRST_NAME, FIRST_WORD, NAMES, WORDS, columns

VERSE = 4


def form(words: Tensor) -> Tensor:
    """A point for no repeats and one for nouns and verbs in turn: (rows, VERSE) to (rows,)."""
    ordered = words.sort(dim=1).values
    fresh = (ordered[:, 1:] != ordered[:, :-1]).all(dim=1)
    in_turn = (words[:, 1:] % 2 != words[:, :-1] % 2).all(dim=1)
    return fresh.float() + in_turn.float()


def content(facts: Tensor, words: Tensor) -> Tensor:
    """Half a point for each of the two words used and one for ending on the rhyme: (rows,)."""
    used = (words[:, :, None] == facts[:, None, :2]).any(dim=1).float().mean(dim=1)
    return used + (words[:, -1] // 2 == facts[:, 2]).float()


@cache
def perfect_verses() -> tuple[Tensor, Tensor]:
    """The verses of perfect form (verses, VERSE), and 1.0 where one is perfect on a prompt: (8 * 8 * 4, verses)."""
    words = torch.arange(len(WORDS))
    verses = torch.cartesian_prod(*[words] * VERSE)
    verses = verses[form(verses) == 2]
    facts = torch.cartesian_prod(words, words, torch.arange(len(NAMES)))
    every = content(facts.repeat_interleave(len(verses), dim=0), verses.repeat(len(facts), 1))
    return verses, (every.view(len(facts), len(verses)) == 2).float()


class Verses:
    """Four-word verses, graded in quarters; facts are the two words to use and the rhyme class (0 to 3) to end on."""

    key = "cw"
    title = "CW"
    prompt_length = 5
    answer_length = VERSE
    held_out = 64

    def population(self, generator: torch.Generator) -> Tensor:
        every = torch.cartesian_prod(torch.arange(len(WORDS)), torch.arange(len(WORDS)), torch.arange(len(NAMES)))
        return every[every[:, 0] != every[:, 1]]

    def render(self, facts: Tensor) -> Tensor:
        return columns("W", FIRST_WORD + facts[:, 0], FIRST_WORD + facts[:, 1], FIRST_NAME + facts[:, 2], "|")

    def demonstrate(self, facts: Tensor, generator: torch.Generator) -> Tensor:
        """A perfect verse in one of four answers, four random words in the others."""
        random = torch.randint(len(WORDS), (len(facts), VERSE), generator=generator)
        verses, perfect = perfect_verses()
        rows = (facts[:, 0] * len(WORDS) + facts[:, 1]) * len(NAMES) + facts[:, 2]
        chosen = verses[torch.multinomial(perfect[rows], 1, generator=generator)[:, 0]]
        careful = torch.rand((len(facts), 1), generator=generator) < 1 / 4
        return FIRST_WORD + torch.where(careful, chosen, random)

    def reward(self, facts: Tensor, answers: Tensor) -> Tensor:
        """A quarter each for both words (an eighth a word), the final rhyme, no repeats, and nouns and verbs in turn.

        An answer that is not four words earns nothing.
        """
        words = answers - FIRST_WORD
        verse = ((words >= 0) & (words < len(WORDS))).all(dim=1)
        return verse * (content(facts, words) + form(words)) / 4

    def candidates(self, facts: Tensor) -> Tensor:
        """All 8^4 verses."""
        return FIRST_WORD + torch.cartesian_prod(*[torch.arange(len(WORDS))] * VERSE).unsqueeze(0)
