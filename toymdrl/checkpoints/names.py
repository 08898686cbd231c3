"""What a tensor is called: the same one has other names in a wrapped model, or in a file that another library wrote."""

import re
from collections.abc import Collection, Iterable, Mapping

WRAPPED = re.compile(r"(^|(?<=\.))(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|base_layer)\.")
"""What torch.compile, FSDP, activation checkpointing and PEFT put into names, anywhere."""
AROUND = ("module.", "base_model.model.")
"""What DataParallel and PEFT put before all names."""
COMPUTED = re.compile(r"(.*\.)?(inv_freq|rotary_emb\.\w+|attn\.(bias|masked_bias)|position_ids|attention\.masked_bias)")
"""Buffers that a model computes anew when it is loaded; some versions of a library save them and others do not."""
SCALED = re.compile(
    r".*(weight_scale|weight_scale_inv|\.scales|\.qweight|\.qzeros|\.absmax|quant_state.*|\.SCB|_blocks)"
)
"""Parts of weights that are quantised: numbers that mean nothing without their scales."""


def bare(name: str) -> str:
    """A tensor's name without what wraps its model."""
    name = WRAPPED.sub("", name)
    while name.startswith(AROUND):
        for prefix in AROUND:
            name = name.removeprefix(prefix)
    return name


def matched(wanted: Collection[str], there: Iterable[str]) -> dict[str, str]:
    """Which of the names that are there stands for each wanted one, as far as that is unambiguous.

    Bare names first; then the same with one prefix before all names of one side, as hub files of GPT-2 lack
    "transformer." and a head's model has "model." before its body.
    """
    by_bare: dict[str, str] = {}
    for name in there:
        by_bare.setdefault(bare(name), name)
    best = _hits({name: bare(name) for name in wanted}, by_bare)
    for prefix in _prefixes(wanted):
        shorter = {name: bare(name).removeprefix(prefix) for name in wanted}
        best = max(best, _hits(shorter, by_bare), key=len)
    for prefix in _prefixes(by_bare):
        longer = {name: prefix + bare(name) for name in wanted}
        # What has the name as it is, such as a head beside a body that has the prefix, keeps it.
        hits = _hits(longer, by_bare) | _hits({name: bare(name) for name in wanted}, by_bare)
        best = max(best, hits, key=len)
    return best


def _hits(called: Mapping[str, str], by_bare: Mapping[str, str]) -> dict[str, str]:
    """Those that are there under a name, and what they are really called there."""
    return {name: by_bare[other] for name, other in called.items() if other in by_bare}


def _prefixes(names: Iterable[str]) -> list[str]:
    """What names begin with, up to their first point."""
    return sorted({f"{bare(name).split('.')[0]}." for name in names if "." in bare(name)})
