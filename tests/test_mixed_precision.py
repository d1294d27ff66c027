"""The mixed-precision facade: Keras's names, one global policy."""

from torchkeras import config, dtype_policies, mixed_precision, optimizers


def test_one_policy_under_all_names():
    try:
        mixed_precision.set_global_policy("mixed_bfloat16")
        assert mixed_precision.global_policy() is mixed_precision.dtype_policy() is config.dtype_policy()
        assert mixed_precision.global_policy() == mixed_precision.Policy("mixed_bfloat16")
        mixed_precision.set_dtype_policy("mixed_float16")
        assert dtype_policies.dtype_policy().compute_dtype == "float16"
    finally:
        config.reset_dtype_policy()
    assert mixed_precision.LossScaleOptimizer is optimizers.LossScaleOptimizer and mixed_precision.DTypePolicy is dtype_policies.DTypePolicy
