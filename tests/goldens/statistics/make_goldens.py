"""Least-squares regressions by numpy, for eval/statistics: python make_goldens.py > least_squares.json"""

import json

import numpy as np


def r_squared(columns: list[np.ndarray], y: np.ndarray) -> float:
    design = np.column_stack([np.ones_like(y), *columns])
    coefficients, *_ = np.linalg.lstsq(design, y, rcond=None)
    residual = y - design @ coefficients
    return float(1 - residual @ residual / ((y - y.mean()) @ (y - y.mean())))


def main() -> None:
    random = np.random.default_rng(7)
    cases = []
    for rows, count in [(12, 1), (40, 3), (200, 6)]:
        columns = [np.round(random.normal(5, 1 + i, rows), 3) for i in range(count)]
        y = np.round(sum(columns) * 0.3 + random.normal(0, 2, rows), 3)
        cases.append({"columns": [column.tolist() for column in columns], "y": y.tolist(),
                      "without_last": r_squared(columns[:-1], y), "with_last": r_squared(columns, y)})
    # A column that the others make up adds nothing.
    a, b = (np.round(random.normal(0, 1, 30), 3) for _ in range(2))
    y = np.round(a - b + random.normal(0, 1, 30), 3)
    both = r_squared([a, b], y)
    cases.append({"columns": [a.tolist(), b.tolist(), (a + b).tolist()], "y": y.tolist(), "without_last": both,
                  "with_last": both})
    print(json.dumps({"cases": cases}, indent=0))


if __name__ == "__main__":
    main()
