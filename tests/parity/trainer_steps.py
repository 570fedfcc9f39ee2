"""The steps that trainer_dump wrote down, and how far another implementation is from them.

Tolerances. The trainer computes in FP32, the others in double precision: losses and gradients differ by some 1e-7 to
1e-6. Where such an error moves x * s across a half, or the input of
the ReLU across zero, a code or a patch's feature flips and that step's gradients of what depends on it differ by far more.
With about 1e5 activations a step, a few steps of ten have such a flip and the others none, while a wrong formula is wrong in
every step: each quantity must agree closely in the best FLIP_FREE_STEPS of the ten, and its losses roughly in all.
"""

from collections import defaultdict

import torch
from programs import output_of
from safetensors.torch import load_file

HEADS, SLOTS_WRITTEN = 4, 5
STEPS, LEARNING_RATE = 10, 2e-3
FLIP_FREE_STEPS = 3
LOSS_TOLERANCE, GRADIENT_TOLERANCE, LOSS_TOLERANCE_WITH_FLIPS = 1e-6, 1e-5, 1e-2
# injection, query, memory
VARIANTS = [("add", "mean", "on"), ("concatenate", "exponential", "on"), ("add", "mean", "off"),
            ("concatenate", "mean", "off")]
VARIANT_NAMES = ["-".join(variant) for variant in VARIANTS]
BUFFERS = ("memory.slots", "memory.usage")
# Of every step's batch.
IMAGE_OF_ROW, IDENTITY = [0, 1, 2, -1], [4, 9, 4]


def trainer_steps(program, folder, variant) -> list[dict[str, torch.Tensor]]:
    """Per step: tokens, targets, mask, features; value.*, loss.*, next.*, gradient.*."""
    file = folder / "dump.safetensors"
    output_of([program("tests/parity/trainer_dump"), file, *variant])
    steps = [{} for _ in range(STEPS)]
    for key, tensor in load_file(file).items():
        step, _, name = key.partition(".")
        steps[int(step)][name] = tensor
    return steps


def values_of(step: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Parameters and buffers in double precision."""
    return {name.removeprefix("value."): value.double() for name, value in step.items() if name.startswith("value.")}


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    scale = b.norm().item()
    return (a - b).norm().item() / scale if scale > 1e-7 else (a - b).norm().item()


class Differences:
    """Relative differences of losses and gradients, step by step."""

    def __init__(self) -> None:
        self.losses, self.gradients = defaultdict(list), defaultdict(list)

    def add(self, step: dict, results: dict, gradients: dict) -> None:
        """`results`: losses and "next." memory by name; `gradients` by parameter, None for zeros."""
        for name, value in results.items():
            dumped = step[name if name.startswith("next.") else f"loss.{name}"].double()
            self.losses[name].append(relative(dumped, value.detach()))
        for name, gradient in gradients.items():
            dumped = step[f"gradient.{name}"].double()
            self.gradients[name].append(relative(dumped, torch.zeros_like(dumped) if gradient is None else gradient))

    def check(self) -> None:
        def without_flips(errors):
            return {name: sorted(each)[FLIP_FREE_STEPS - 1] for name, each in errors.items()}

        worst = max((error, name) for name, error in without_flips(self.gradients).items())
        losses = max(without_flips(self.losses).values())
        losses_with_flips = max(map(max, self.losses.values()))
        print(f"{len(self.gradients)} gradients: in the best {FLIP_FREE_STEPS} of {STEPS} steps within {worst[0]:.1e} "
              f"({worst[1]}); losses within {losses:.1e}, in all steps {losses_with_flips:.1e}")
        assert worst[0] <= GRADIENT_TOLERANCE, worst
        assert losses <= LOSS_TOLERANCE, self.losses
        assert losses_with_flips <= LOSS_TOLERANCE_WITH_FLIPS, self.losses
