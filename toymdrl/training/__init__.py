"""How a policy learns: GRPO, the warm start, one stage under way, and the same for many policies at once."""
