"""Tiny models of many families of transformers, the same wherever and in whatever order they are made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from torch import Tensor
from torch.nn.functional import cross_entropy

from toymdrl.parameters import read_parameters, write_parameters
from toymdrl.streams import stream

VOCABULARY = 16
TOKENS = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
FIRST_WORD = 3
"""The smallest token that is none of these: the embedding of padding would get no gradient."""
BODY = {
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 20,
}
"""What most families call their sizes."""
OLD_BODY = {"n_embd": 8, "n_inner": 12, "n_layer": 2, "n_head": 2, "n_positions": 20}
"""What GPT-2 and those after it call them."""
EXPERTS = {"num_experts": 3, "num_experts_per_tok": 2, "moe_intermediate_size": 6}
LOCAL_EXPERTS = {"num_local_experts": 3, "num_experts_per_tok": 2}
LATENT = {"kv_lora_rank": 4, "q_lora_rank": 4, "qk_rope_head_dim": 2, "qk_nope_head_dim": 2, "v_head_dim": 4}


@dataclass(frozen=True)
class Family:
    """How to make a tiny model of one family."""

    model: str
    """The class in transformers."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of its config, beside or in place of those of the body."""
    body: Mapping[str, Any] = field(default_factory=lambda: BODY)

    def __str__(self) -> str:
        return self.model

    def build(self, *, tied: bool) -> Any:
        """A model in eval mode, where no dropout is left; `Any`, as each class has types of its own."""
        made = getattr(transformers, self.model)
        config = made.config_class(**{**self.body, **TOKENS, "tie_word_embeddings": tied, **self.settings})
        # Fused kernels take no float64, or have no second derivative.
        model = made._from_config(config, attn_implementation="eager", experts_implementation="eager").eval()
        # Drawn again, as the library draws from torch's global state and leaves norms at one and biases at zero.
        shape = read_parameters(model).shape
        write_parameters(model, 0.3 * torch.randn(shape, generator=stream("families", self.model)))
        return model


FAMILIES = (
    Family("LlamaForCausalLM"),
    Family("MistralForCausalLM"),
    Family("Qwen2ForCausalLM"),
    Family("Qwen3ForCausalLM", {"head_dim": 4}),
    Family("GemmaForCausalLM", {"head_dim": 4}),
    Family("Gemma2ForCausalLM", {"head_dim": 4}),
    Family("Gemma3ForCausalLM", {"head_dim": 4}),
    Family("PhiForCausalLM"),
    Family("Phi3ForCausalLM"),
    Family("StableLmForCausalLM"),
    Family("OlmoForCausalLM"),
    Family("Olmo2ForCausalLM"),
    Family("CohereForCausalLM"),
    Family("Starcoder2ForCausalLM"),
    Family("GraniteForCausalLM"),
    Family("GlmForCausalLM", {"head_dim": 4}),
    Family("SmolLM3ForCausalLM"),
    Family("HeliumForCausalLM", {"head_dim": 4}),
    Family("Exaone4ForCausalLM"),
    Family("NemotronForCausalLM", {"hidden_act": "silu"}),  # in place of a squared relu
    Family("GPTNeoXForCausalLM"),
    Family("FalconForCausalLM", {"ffn_hidden_size": 12}),
    # Mixtures of experts.
    Family("MixtralForCausalLM", LOCAL_EXPERTS),
    Family("Qwen2MoeForCausalLM", {**EXPERTS, "shared_expert_intermediate_size": 6}),
    Family("Qwen3MoeForCausalLM", {**EXPERTS, "head_dim": 4}),
    Family("OlmoeForCausalLM", EXPERTS),
    Family("GptOssForCausalLM", {**LOCAL_EXPERTS, "head_dim": 4}),
    Family("GraniteMoeForCausalLM", LOCAL_EXPERTS),
    Family(
        "DeepseekV3ForCausalLM",
        {
            **LATENT,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "n_group": 2,
            "topk_group": 1,
            "moe_intermediate_size": 6,
            "first_k_dense_replace": 1,
            "num_key_value_heads": 2,
        },
    ),
    # State spaces, alone and beside attention.
    Family("MambaForCausalLM", {"state_size": 4, "time_step_rank": 2}),
    Family(
        "JambaForCausalLM",
        {
            "num_experts": 2,
            "mamba_d_state": 4,
            "mamba_dt_rank": 2,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "use_mamba_kernels": False,
        },
    ),
    # Older ones, each with words of its own for the same sizes.
    Family("GPT2LMHeadModel", body=OLD_BODY),
    Family("GPTJForCausalLM", {"rotary_dim": 4}, OLD_BODY),
    Family("CodeGenForCausalLM", {"rotary_dim": 2, "n_head": 4}, OLD_BODY),
    Family("BloomForCausalLM", {"hidden_size": 8, "n_layer": 2, "n_head": 2}, {}),
    Family("MptForCausalLM", {"d_model": 8, "n_heads": 2, "n_layers": 2, "expansion_ratio": 2, "max_seq_len": 20}, {}),
    Family("GPTNeoForCausalLM", {"num_layers": 2, "num_heads": 2, "attention_types": [[["global", "local"], 1]]}),
    Family("OPTForCausalLM", {"ffn_dim": 12, "word_embed_proj_dim": 8, "activation_function": "gelu"}),  # not relu
    # Two stacks, and stacks that see both ways.
    Family(
        "T5ForConditionalGeneration",
        {"d_model": 8, "d_kv": 4, "d_ff": 12, "num_layers": 1, "num_heads": 2, "feed_forward_proj": "gated-gelu"},
        {},
    ),
    Family(
        "BartForConditionalGeneration",
        {
            "d_model": 8,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 12,
            "decoder_ffn_dim": 12,
            "max_position_embeddings": 20,
        },
        {},
    ),
    Family("BertForMaskedLM"),
    Family("RobertaForMaskedLM"),
    Family("ElectraForMaskedLM", {"embedding_size": 8}),
    Family(
        "DistilBertForMaskedLM",
        {"dim": 8, "hidden_dim": 12, "n_layers": 2, "n_heads": 2, "max_position_embeddings": 20},
        {},
    ),
)


def loss_of(model: Any) -> Tensor:
    """How surprised a model is by some fixed tokens.

    Not the model's own loss, which rounds its logits to float32.
    """
    tokens, targets = torch.randint(FIRST_WORD, VOCABULARY, (2, 2, 6), generator=stream("families", "tokens"))
    both = {"input_ids": tokens}
    if model.config.is_encoder_decoder:
        both["decoder_input_ids"] = targets.roll(1, dims=1)
    return cross_entropy(model(**both).logits.flatten(0, 1), targets.flatten())
