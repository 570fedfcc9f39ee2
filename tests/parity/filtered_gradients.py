"""What the vocabulary loss' gradient would lose if negligible probabilities were filtered out, as Cut Cross-Entropy does
(Wijmans et al. 2024), with a trained model's probabilities on real text.

    .venv/bin/python tests/parity/filtered_gradients.py --text bnc.txt childes.txt

The trainer's vocabulary loss multiplies some 640 tokens at a time (kHeldWeights / vocabulary in
train/objective/ternary_vocabulary_loss.cpp), here equally many of each file. A column of theirs is dropped where no token
gives it a probability of the threshold and none has it as its target: what is kept would still have to be computed.
Blocks: the same for 128 neighbouring columns at a time, as kernels would skip them.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "tests")]

import bitmar  # noqa: E402
from deployed_model import DeployedModel  # noqa: E402

GROUP_TOKENS = 640
BLOCK = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "models/bitmar-14m.gguf")
    parser.add_argument("--text", type=Path, nargs="+", required=True, help="files; the end of each is read")
    arguments = parser.parse_args()
    engine = bitmar.Engine(arguments.model)
    deployed = DeployedModel(arguments.model)
    count = GROUP_TOKENS // len(arguments.text)
    logits, targets = [], []
    for path in arguments.text:
        ids = [engine.end_of_text, *engine.tokenize(path.read_bytes()[-20 * count:])[-count:]]
        logits.append(deployed.double_precision_logits(np.array(ids[:-1])))
        targets += ids[1:]
    probabilities = torch.softmax(torch.tensor(np.concatenate(logits)), 1)
    targets = torch.tensor(targets)
    tokens = torch.arange(len(targets))
    print(f"{len(targets)} tokens, {-probabilities[tokens, targets].log().mean():.2f} nats each")

    head = torch.from_numpy(deployed.ternary["output.weight"].codes).double()
    gradient = probabilities.clone()
    gradient[tokens, targets] -= 1
    hidden = gradient @ head
    highest = probabilities.max(0).values
    highest[targets] = 1
    blocks = torch.nn.functional.pad(highest, (0, -len(highest) % BLOCK)).view(-1, BLOCK).max(1).values
    print("threshold  columns kept  blocks kept  mass dropped  error of the hidden states' gradient"
          " (relative, root of the mean square)")
    for exponent in (10, 12, 14, 16, 18):
        threshold = 2.0**-exponent
        dropped = highest < threshold
        error = (gradient[:, dropped] @ head[dropped]).norm(dim=1) / hidden.norm(dim=1)
        print(f"2^-{exponent:<6} {1 - dropped.double().mean():>13.3f} {(blocks >= threshold).double().mean():>12.3f} "
              f"{probabilities[:, dropped].sum(1).mean():>13.4f}  {error.square().mean().sqrt():.4f}")


if __name__ == "__main__":
    main()
