#!/usr/bin/env python3
"""Makes positions.txt: small grids of two features, resampled by torch.nn.functional.interpolate.

A line is "from to antialias", the values [from * from, 2], and the result [to * to, 2]. Needs torch.
Usage: make_positions.py (writes beside itself).
"""

import pathlib

import torch


def main() -> None:
    torch.manual_seed(3)
    lines = []
    for source, target in [(1, 4), (2, 3), (3, 2), (3, 8), (4, 9), (7, 3), (8, 5), (10, 3)]:
        for antialias in (False, True):
            grid = torch.randn(1, 2, source, source)
            result = torch.nn.functional.interpolate(grid, size=(target, target), mode="bicubic",
                                                     align_corners=False, antialias=antialias)
            numbers = [value for tensor in (grid, result)
                       for value in tensor.permute(0, 2, 3, 1).reshape(-1).tolist()]
            lines.append(" ".join([f"{source} {target} {int(antialias)}"] + [f"{value:.9g}" for value in numbers]) + "\n")
    pathlib.Path(__file__).with_name("positions.txt").write_text("".join(lines), encoding="ascii")


if __name__ == "__main__":
    main()
