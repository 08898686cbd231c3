"""The findings of a run as a table, for a terminal and in Markdown, and how to read it."""

from textwrap import wrap

from toymdrl.theorems.finding import Finding

WIDTH = 100
"""Columns of the explanation on a terminal."""
LEGEND = (
    "met: true here; not met: false here, so that the bound may well break; as met on the way: the constant is the "
    "worst one seen where the update or the refresh went (or, where it says so, at the start): a sample, so that a "
    "bound can still miss by a little. T5(a) to (c) then hold by construction, and T5(g)'s ρ comes from its own "
    "remainder: what these tell is how loose they are.",
    "≤: a bound, which holds or is broken; ≈: exact where the loss is quadratic.",
    "θ*: the checkpoint of the domain that is harmed. δ: all that was trained later, θ0 = θ* + δ. g, H: gradient and "
    "Hessian at θ*. D: damage of δ, D2 = δ·Hδ/2 its second order, D⁺ and D⁻ the damage of δ and -δ. S: the conflict "
    "subspace, P the projector onto it, Q its complement's. m, n: δ on the coordinates that are rolled back, and on "
    "the others; R: what that recovers. u: what a refresh adds. Edit: what training one domain alone changes.",
    "Losses are in points of 100 x exact expected reward: on unseen prompts, as in the report, for T1 to T3, T9 and "
    "T11 to T13; on the train prompts that S and m were chosen on for T4, T7, T14, on a share of them for T6(b), T8, "
    "T15. T5 and T6(a) are about the exact refresh of the KL-regularised loss, with an S of its own.",
)
"""How to read the findings; theory/README.md has the theorems."""


def legend(findings: tuple[Finding, ...]) -> list[str]:
    """How to read them, and what is missing."""
    silent = {
        2: "T2(b) says nothing here: D2 is not positive.",
        5: "T5, T6(a) and T11(d) are not measured: this domain's answers are too long for the exact KL they need.",
        15: "T15(c) says nothing here: by gradients and Hessians no step size helps the total, or every one does.",
    }
    told = {each.theorem.number for each in findings}
    return [*LEGEND, *(text for number, text in silent.items() if number not in told)]


def lines(findings: tuple[Finding, ...]) -> list[str]:
    """A table for a terminal: two lines a finding, and how to read them."""
    told = []
    for each in findings:
        numbers = f"{each.measured:.3g} {each.relation} {each.says:.3g}"
        told.append(f"{each.theorem.label:<15} {each.verdict:<11} {each.statement}: {numbers}")
        told.append(f"{'':<15} {each.met}: {each.assumption}")
    return [*told, "", *(line for text in legend(findings) for line in wrap(text, WIDTH))]


def markdown(findings: tuple[Finding, ...]) -> str:
    """The same as a Markdown table."""
    head = ["theorem", "what", "assumption, as measured", "", "measured", "", "bound", "here"]
    rows = [head, ["---", "---", "---", "---", "---:", "---", "---:", "---"]]
    for each in findings:
        numbers = [f"{each.measured:.3g}", each.relation, f"{each.says:.3g}"]
        rows.append([each.theorem.label, each.statement, each.assumption, each.met, *numbers, each.verdict])
    table = [f"| {' | '.join(cell.replace('|', '∣') for cell in row)} |" for row in rows]
    read = [line for text in legend(findings) for line in (text, "")]
    return "\n".join(["# What the theorems say of this run", "", *table, "", *read]).rstrip() + "\n"
