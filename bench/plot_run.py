#!/usr/bin/env python3
"""Draws the curves of runs side by side, each point the mean of five steps (standard library only).

usage: bench/plot_run.py FOLDER LABEL=RUN [LABEL=RUN ...]     writes FOLDER/*.svg from RUN/metrics.jsonl
"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import plot

WINDOW = 5
KINDS = (("deduction", "code_o"), ("abduction", "code_i"), ("induction", "code_f"))


def ratio(above, below):
    return lambda r: r[above] / r[below] if r.get(below) else None


# output, title, y label, [(label, value of a step)]
FIGURES = [
    ("valid", "proposals that are tasks", "share", [("", ratio("proposer/valid", "proposer/n"))]),
    *[
        (f"solver_{kind}", f"right answers, {kind}", "share", [("", lambda r, c=code: r.get(f"pred_{c}/accuracy"))])
        for kind, code in KINDS
    ],
    *[
        (f"proposer_{kind}", f"learnability of proposals, {kind}", "mean, 0 for no task", [("", lambda r, c=code: r.get(f"gen_{c}/accuracy"))])
        for kind, code in KINDS[:2]
    ],
    ("new_shapes", "tasks of a shape that the store does not have", "share of valid ones", [("", lambda r: r.get("novelty/share_new_shapes"))]),
    ("stored", "tasks stored in a step", "tasks", [("", lambda r: r.get("proposer/stored"))]),
    ("entropy", "entropy of a token", "nats", [("", lambda r: r.get("actor/entropy"))]),
    (
        "length",
        "length of a response",
        "tokens",
        [
            ("proposer, deduction", lambda r: r.get("gen_code_o/response_length/mean")),
            ("solver, deduction", lambda r: r.get("pred_code_o/response_length/mean")),
        ],
    ),
    (
        "seconds",
        "seconds of a step",
        "seconds",
        [(phase, lambda r, p=name: r.get(f"timing_s/{p}")) for phase, name in (("propose", "propose"), ("solve", "solve"), ("update", "update_actor"))],
    ),
]


def curve(rows, value):
    points = [(r["step"], value(r)) for r in rows if r["step"] > 0]
    points = [p for p in points if p[1] is not None]
    return [
        tuple(sum(p[i] for p in part) / len(part) for i in (0, 1))
        for part in (points[i : i + WINDOW] for i in range(0, len(points) - len(points) % WINDOW, WINDOW))
    ]


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    runs = []
    for argument in sys.argv[2:]:
        label, path = argument.split("=", 1)
        runs.append((label, [json.loads(line) for line in open(os.path.join(path, "metrics.jsonl"))]))
    for output, title, y_label, series in FIGURES:
        lines = [
            (", ".join(filter(None, (label, name))), curve(rows, value)) for name, value in series for label, rows in runs
        ]
        lines = [(label, points) for label, points in lines if points and any(y != 0 for _, y in points)]
        if lines:
            with open(os.path.join(folder, output + ".svg"), "w") as file:
                file.write(plot.draw(title, "step", y_label, lines))


main()
