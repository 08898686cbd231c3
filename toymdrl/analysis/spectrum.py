"""The eigenpairs that span a conflict subspace (C8, T4), kept on disk: nothing else of an analysis takes as long."""

from pathlib import Path

import torch
from torch import Tensor, nn

from toymdrl.curvature import Eigenpairs, Hessian, Loss, top_eigenpairs
from toymdrl.files import CorruptFile, load_tensors, save_tensors
from toymdrl.parameters import at_parameters


def kept_eigenpairs(
    file: Path, key: str, module: nn.Module, loss: Loss, where: Tensor, pairs: int, tolerance: float
) -> Eigenpairs:
    """Top eigenpairs of a loss's Hessian, from the file if it has them.

    Args:
        file: where they are kept.
        key: tells what they are of; a file of another key is made anew.
        module: whose parameters; left as found.
        loss: of the module.
        where: parameters at which the Hessian is taken, (coordinates,).
        pairs: how many.
        tolerance: see `top_eigenpairs`.
    """
    try:
        stored, about, _ = load_tensors(file)
        if about != {"key": key}:
            raise CorruptFile(f"{file} is of other checkpoints")
        products = int(stored["products"])
    except CorruptFile:
        with at_parameters(module, where):
            found = top_eigenpairs(Hessian(module, loss), pairs, tolerance=tolerance)
        products = found.products
        stored = {"values": torch.from_numpy(found.values), "vectors": found.vectors.cpu().contiguous()}
        save_tensors(file, stored | {"products": torch.tensor(products)}, {"key": key})
    return Eigenpairs(stored["values"].numpy(), stored["vectors"].to(where), products)
