"""Tiny models of many families of transformers, with random weights and smooth activations: what users will bring."""

from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from toymdrl.parameters import read_parameters, write_parameters
from toymdrl.streams import stream

VOCABULARY = 24
TOKENS = torch.randint(3, VOCABULARY, (2, 6), generator=stream("families", "tokens"))
_IDS = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
_LLAMA = {
    "vocab_size": VOCABULARY,
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 16,
}
# All experts at once: where a router changes its choice, a loss has no derivative.
_EXPERTS = {"num_experts": 3, "num_experts_per_tok": 3, "moe_intermediate_size": 6}
_GPT2 = {"vocab_size": VOCABULARY, "n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 16}
_BERT = {
    "vocab_size": VOCABULARY,
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 20,
}
_T5 = {"vocab_size": VOCABULARY, "d_model": 8, "d_kv": 4, "d_ff": 12, "num_layers": 2, "num_heads": 2}


@dataclass(frozen=True)
class Family:
    """One family of models."""

    name: str
    model: str
    """Its class in transformers."""
    config: dict[str, Any]
    ties: tuple[bool, ...] = (False, True)
    """Whether its embeddings may be tied."""

    def build(self, *, tied: bool) -> nn.Module:
        """A model with random weights, in eval mode."""
        kind = getattr(transformers, self.model)
        settings = _IDS | self.config | {"tie_word_embeddings": tied}
        config = kind.config_class(**settings)
        # Fused attention has no second derivative, and fused experts none in float64.
        config._attn_implementation = config._experts_implementation = "eager"
        model = kind(config).eval()
        shape = read_parameters(model).shape
        write_parameters(model, 0.2 * torch.randn(shape, generator=stream("families", self.name, int(tied))))
        assert isinstance(model, nn.Module)
        return model


FAMILIES = (
    Family("gpt2", "GPT2LMHeadModel", _GPT2),
    Family(
        "gpt_neo",
        "GPTNeoForCausalLM",
        {
            "vocab_size": VOCABULARY,
            "hidden_size": 8,
            "num_layers": 2,
            "num_heads": 2,
            "attention_types": [[["global", "local"], 1]],
            "max_position_embeddings": 16,
            "intermediate_size": 12,
        },
    ),
    Family("gpt_neox", "GPTNeoXForCausalLM", _LLAMA),
    Family("gptj", "GPTJForCausalLM", _GPT2 | {"rotary_dim": 4}),
    Family("opt", "OPTForCausalLM", _LLAMA | {"ffn_dim": 12, "word_embed_proj_dim": 8, "activation_function": "gelu"}),
    Family("bloom", "BloomForCausalLM", {"vocab_size": VOCABULARY, "hidden_size": 8, "n_layer": 2, "n_head": 2}),
    Family(
        "falcon",
        "FalconForCausalLM",
        {
            "vocab_size": VOCABULARY,
            "hidden_size": 8,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "ffn_hidden_size": 12,
        },
    ),
    Family(
        "mpt",
        "MptForCausalLM",
        {"vocab_size": VOCABULARY, "d_model": 8, "n_layers": 2, "n_heads": 2, "max_seq_len": 16, "expansion_ratio": 2},
    ),
    Family("llama", "LlamaForCausalLM", _LLAMA),
    Family("mistral", "MistralForCausalLM", _LLAMA | {"head_dim": 4}),
    Family("mixtral", "MixtralForCausalLM", _LLAMA | {"num_local_experts": 3, "num_experts_per_tok": 3, "head_dim": 4}),
    Family("qwen2", "Qwen2ForCausalLM", _LLAMA),
    Family("qwen2_moe", "Qwen2MoeForCausalLM", _LLAMA | _EXPERTS | {"shared_expert_intermediate_size": 6}),
    Family("qwen3", "Qwen3ForCausalLM", _LLAMA | {"head_dim": 4}),
    Family("qwen3_moe", "Qwen3MoeForCausalLM", _LLAMA | _EXPERTS | {"head_dim": 4}),
    Family("gemma", "GemmaForCausalLM", _LLAMA | {"head_dim": 4}),
    Family("gemma2", "Gemma2ForCausalLM", _LLAMA | {"head_dim": 4, "query_pre_attn_scalar": 4}),
    Family("gemma3", "Gemma3ForCausalLM", _LLAMA | {"head_dim": 4, "query_pre_attn_scalar": 4}),
    Family("phi", "PhiForCausalLM", _LLAMA),
    Family("phi3", "Phi3ForCausalLM", _LLAMA | {"original_max_position_embeddings": 16}),
    Family("stablelm", "StableLmForCausalLM", _LLAMA),
    Family("olmo", "OlmoForCausalLM", _LLAMA),
    Family("olmo2", "Olmo2ForCausalLM", _LLAMA),
    Family("cohere", "CohereForCausalLM", _LLAMA),
    Family("granite", "GraniteForCausalLM", _LLAMA),
    Family("glm", "GlmForCausalLM", _LLAMA | {"head_dim": 4}),
    Family("starcoder2", "Starcoder2ForCausalLM", _LLAMA),
    Family("nemotron", "NemotronForCausalLM", _LLAMA | {"head_dim": 4, "hidden_act": "gelu"}),
    Family("bert", "BertForMaskedLM", _BERT),
    Family("roberta", "RobertaForMaskedLM", _BERT),
    Family(
        "distilbert",
        "DistilBertForMaskedLM",
        {
            "vocab_size": VOCABULARY,
            "dim": 8,
            "hidden_dim": 12,
            "n_layers": 2,
            "n_heads": 2,
            "max_position_embeddings": 16,
        },
    ),
    Family("t5", "T5ForConditionalGeneration", _T5 | {"feed_forward_proj": "gated-gelu", "decoder_start_token_id": 0}),
)
BY_NAME = {family.name: family for family in FAMILIES}


def logits(module: nn.Module) -> Tensor:
    """Of fixed tokens, (2, 6, vocabulary)."""
    # Labels make a model that translates read its own target; what it makes a loss of them is rounded to float32.
    found: Tensor = module(input_ids=TOKENS, labels=TOKENS).logits
    return found


def loss(module: nn.Module) -> Tensor:
    """Mean cross-entropy of the same tokens, in nats: a smooth function of the logits."""
    return nn.functional.cross_entropy(logits(module).double().flatten(0, 1), TOKENS.flatten())
