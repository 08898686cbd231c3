"""Chapter 2."""


def _block(**changes: str) -> str:
    """A right answer to 2.1 with some lines replaced."""
    lines = {
        "normed": "n = block.attention_norm(x)",
        "halves": "k, v = block.key_value(n).chunk(2, dim=-1)",
        "split": "q, k, v = (y.unflatten(-1, (block.heads, -1)).transpose(1, 2) for y in (block.query(n), k, v))",
        "scores": "s = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5 + mask",
        "mixed": "m = (s.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)",
        "added": "x = x + block.attention_out(m)",
        "again": "n = block.mlp_norm(x)",
        "thought": "return x + block.down(F.silu(block.gate(n)) * block.up(n))",
    } | changes
    body = "".join(f"    {line}\n" for line in lines.values() if line)
    return f"import torch.nn.functional as F\ndef one_block(block, x, mask):\n{body}"


_HVP = "def hessian_product(loss, parameters, v):\n    flat = lambda each: torch.cat([e.flatten() for e in each])\n"
_KEPT = "    g = torch.autograd.grad(loss, parameters, create_graph=True)\n"
_AT = (
    "from toymdrl.curvature import gradient\n"
    "from toymdrl.parameters import at_parameters, read_parameters, write_parameters\n"
)
_DIFFERENCE = (
    f"{_AT}def difference(module, loss, v, h):\n"
    "    theta = read_parameters(module)\n"
    "    with at_parameters(module, theta + h * v):\n"
    "        a = gradient(module, loss)\n"
    "    with at_parameters(module, theta - h * v):\n"
    "        b = gradient(module, loss)\n"
)

WRONG = {
    "2.1": [
        (_block(scores="s = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5"), "add the mask"),
        (_block(scores="s = q @ k.transpose(-2, -1) + mask"), "square root of a head's width"),
        (_block(scores="s = q @ k.transpose(-2, -1) / x.shape[-1] ** 0.5 + mask"), "not of the model's"),
        (_block(halves="v, k = block.key_value(n).chunk(2, dim=-1)"), "first half are the keys"),
        (_block(added="x = block.attention_out(m)"), "*added* to x"),
        (_block(thought="return block.down(F.silu(block.gate(n)) * block.up(n))"), "*added* to x"),
        (_block(thought="return n + block.down(F.silu(block.gate(n)) * block.up(n))"), "*added* to x"),
        (_block(thought="return x + block.down(block.gate(n) * F.silu(block.up(n)))"), "goes through silu"),
        (_block(thought="return x + block.down(F.relu(block.gate(n)) * block.up(n))"), "the MLP is wrong"),
        (_block(normed="n = x"), "attention is wrong"),
        (_block(again="n = x"), "the MLP is wrong"),
        (_block(again="n = block.mlp_norm(x - block.attention_out(m))"), "*after* attention"),
        (
            _block(split="q, k, v = (y.reshape(len(y), block.heads, y.shape[1], -1) for y in (block.query(n), k, v))"),
            "right with one head",
        ),
        (_block(mixed="m = (s.softmax(dim=-2) @ v).transpose(1, 2).flatten(2)"), "softmax over keys"),
        (_block(added="x += block.attention_out(m)"), "you changed `x` itself"),
        (_block(thought=""), "`return` missing"),
    ],
    "2.2": [
        (
            f"{_HVP}    g = torch.autograd.grad(loss, parameters)\n"
            "    return flat(torch.autograd.grad(flat(g) @ v, parameters))",
            "no detach()",
        ),
        (f"{_HVP}{_KEPT}    return flat(g)", "the first derivative"),
        (f"{_HVP}{_KEPT}    return flat(g) @ v", "once more"),
        (f"{_HVP}{_KEPT}    return flat(torch.autograd.grad(flat(g).sum(), parameters)) * v", "too late"),
        (f"{_HVP}{_KEPT}    return flat(torch.autograd.grad(flat(g).sum(), parameters))", "H times ones"),
        (
            f"{_HVP}{_KEPT}    return flat(torch.autograd.grad(flat(g).square().sum() / 2, parameters))",
            "H times the gradient",
        ),
        (f"{_HVP}{_KEPT}    return torch.autograd.grad(flat(g) @ v, parameters)", "a tensor, not"),
        (
            f"{_HVP}{_KEPT}    (flat(g) @ v).backward()\n    return flat([each.grad for each in parameters])",
            "in `.grad`",
        ),
        (f"{_HVP}{_KEPT}    return 2 * flat(torch.autograd.grad(flat(g) @ v, parameters))", "H is known here"),
    ],
    "2.3": [
        (
            f"{_AT}def difference(module, loss, v, h):\n"
            "    here = gradient(module, loss)\n"
            "    with at_parameters(module, read_parameters(module) + h * v):\n"
            "        return (gradient(module, loss) - here) / h",
            "one-sided",
        ),
        (f"{_DIFFERENCE}    return (a - b) / h", "2 h apart"),
        (f"{_DIFFERENCE}    return (b - a) / (2 * h)", "the sign"),
        (f"{_DIFFERENCE}    return a - b", "divide by the distance"),
        (
            f"{_AT}def difference(module, loss, v, h):\n"
            "    theta, found = read_parameters(module), []\n"
            "    for sign in (1, -1):\n"
            "        write_parameters(module, theta + sign * h * v)\n"
            "        found.append(gradient(module, loss))\n"
            "    return (found[0] - found[1]) / (2 * h)",
            "as you found them",
        ),
    ],
}
SURVIVORS: dict[str, str] = {}
