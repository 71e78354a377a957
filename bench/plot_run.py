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


def named(name):
    return lambda r: r.get(name)


# output, title, y label, [(label, value of a step)]
FIGURES = [
    ("valid", "proposals that are tasks", "share", [("", ratio("proposer/valid", "proposer/n"))]),
    *[
        figure
        for kind, code in KINDS
        for figure in (
            (f"valid_{kind}", f"proposals that are tasks, {kind}", "share", [("", named(f"gen_{code}/valid_ratio"))]),
            (f"proposer_{kind}", f"learnability of proposals, {kind}", "mean, 0 for no task", [("", named(f"gen_{code}/accuracy"))]),
            (f"success_{kind}", f"estimated success on new tasks, {kind}", "share of answers", [("", named(f"gen_{code}/success_rate"))]),
            (f"solver_{kind}", f"right answers, {kind}", "share", [("", named(f"pred_{code}/accuracy"))]),
            (
                f"length_{kind}",
                f"length of a response, {kind}",
                "tokens",
                [("proposer", named(f"gen_{code}/response_length/mean")), ("solver", named(f"pred_{code}/response_length/mean"))],
            ),
        )
    ],
    ("new_shapes", "tasks of a shape that the store does not have", "share of valid ones", [("", named("novelty/share_new_shapes"))]),
    ("stored", "tasks stored in a step", "tasks", [("", named("proposer/stored"))]),
    ("signal", "groups to learn from: not all of their advantages are 0", "share of groups", [("", lambda r: 1 - r["groups_without_signal"] if "groups_without_signal" in r else None)]),
    ("entropy", "entropy of a token", "nats", [("", named("actor/entropy"))]),
    ("speed", "tokens through the model", "tokens a second", [("", named("tokens_per_s/step"))]),
    (
        "seconds",
        "seconds of a step",
        "seconds",
        [
            (phase, named(f"timing_s/{name}"))
            for phase, name in (("propose", "propose"), ("solve", "solve"), ("update", "update_actor"), ("verdicts", "reward_fn"))
        ],
    ),
]


def read(path):
    """The steps of a run: the lines of one step say one step."""
    steps = {}
    for line in open(os.path.join(path, "metrics.jsonl")):
        row = json.loads(line)
        steps.setdefault(row["step"], {}).update(row)
    return list(steps.values())


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
        runs.append((label, read(path)))
    for output, title, y_label, series in FIGURES:
        lines = [
            (", ".join(filter(None, (label, name))), curve(rows, value)) for name, value in series for label, rows in runs
        ]
        lines = [(label, points) for label, points in lines if points and any(y != 0 for _, y in points)]
        if lines:
            with open(os.path.join(folder, output + ".svg"), "w") as file:
                file.write(plot.draw(title, "step", y_label, lines))


main()
