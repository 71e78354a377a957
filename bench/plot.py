#!/usr/bin/env python3
"""Draws the plots of docs/performance.md from the measurements beside it (standard library only).

usage: bench/plot.py [FOLDER]       default docs/performance; reads *_<dtype>.jsonl there, writes *.svg there
A line whose measurements are not there is left out. To add a figure: a row in FIGURES.
"""
import json
import math
import os
import statistics
import sys

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 70, 20, 40, 55
COLOURS = ["#1f6fb2", "#d1562b", "#3a8f4d", "#8a56a8"]
DTYPES = ["bf16", "f32"]


def scaled_seconds(row):
    """As if the matrix products had run at the median limit of the sweep: the limit is measured beside
    each point, and other work on the machine slows both."""
    return row["seconds"] * row["limit"] / row["sweep_limit"]


def of_256(row):
    return row["length"] == 256


def is_one(row):
    return row["sequences"] == 1


def is_wide(row):
    return row["prompt"] == 128


def is_long(row):
    return row["streams"] == 8


def tokens(row):
    return row["tokens"]


def streams(row):
    return row["streams"]


def context(row):
    return row["prompt"] + row["new"] / 2


def share(row):
    return 100 * row["share"]


def milliseconds_a_token(row):
    return 1e3 * scaled_seconds(row) / (row["streams"] * row["new"])


TRAINED = [("sequences of 256", of_256), ("one sequence", is_one)]
WIDE = [("prompts of 128, 32 new tokens each", is_wide)]
LONG = [("8 streams, 32 new tokens each", is_long)]

# output, input (FOLDER/<input>_<dtype>.jsonl), title, x label, y label, [(label, keep)], x, y
FIGURES = [
    (
        "train.svg",
        "train",
        "SmolLM2-135M: one training step against its tokens",
        "tokens of the step",
        "seconds",
        TRAINED,
        tokens,
        scaled_seconds,
    ),
    (
        "train_share.svg",
        "train",
        "SmolLM2-135M: share of the limit that a training step reaches",
        "tokens of the step",
        "per cent of the limit",
        TRAINED,
        tokens,
        share,
    ),
    (
        "decode_width.svg",
        "decode",
        "SmolLM2-135M: generation against its width",
        "streams decoded together",
        "milliseconds a token",
        WIDE,
        streams,
        milliseconds_a_token,
    ),
    (
        "decode_width_share.svg",
        "decode",
        "SmolLM2-135M: share of the limit that generation reaches",
        "streams decoded together",
        "per cent of the limit",
        WIDE,
        streams,
        share,
    ),
    (
        "decode_context.svg",
        "decode",
        "SmolLM2-135M: generation against its context",
        "tokens of context",
        "milliseconds a token",
        LONG,
        context,
        milliseconds_a_token,
    ),
]


def measurements(folder, source, dtype):
    """Rows of one sweep, each with the median limit of all; none if it was not measured."""
    path = os.path.join(folder, f"{source}_{dtype}.jsonl")
    if not os.path.exists(path):
        return []
    with open(path) as file:
        rows = [json.loads(line) for line in file if line.strip()]
    limit = statistics.median(row["limit"] for row in rows) if rows else None
    return [{**row, "sweep_limit": limit} for row in rows]


def ticks(low, high):
    """Powers of two between low and high when they are far apart, else round steps from 0."""
    if low > 0 and high / low >= 32:
        return [2**e for e in range(math.floor(math.log2(low)), math.ceil(math.log2(high)) + 1)]
    step = 10 ** math.floor(math.log10(high))
    while high / step < 4:
        step /= 2
    return [i * step for i in range(int(high / step) + 2)]


def scale(values, begin, end):
    marks = ticks(min(values), max(values))
    wide = marks[0] > 0
    f = math.log2 if wide else float
    a, b = f(marks[0]), f(marks[-1])
    return marks, lambda v: begin + (f(v) - a) / (b - a) * (end - begin)


def text(x, y, content, anchor="middle", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{content}</text>'


def draw(title, x_label, y_label, lines):
    xs, ys = ([p[i] for _, points in lines for p in points] for i in (0, 1))
    x_marks, x_at = scale(xs, LEFT, WIDTH - RIGHT)
    y_marks, y_at = scale(ys, HEIGHT - BOTTOM, TOP)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        text(WIDTH / 2, 22, title, extra='font-size="15"'),
        text(WIDTH / 2, HEIGHT - 12, x_label),
        text(16, HEIGHT / 2, y_label, extra=f'transform="rotate(-90 16 {HEIGHT / 2})"'),
    ]
    for mark in x_marks:
        x = x_at(mark)
        out.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        out.append(text(x, HEIGHT - BOTTOM + 18, f"{mark:g}"))
    for mark in y_marks:
        y = y_at(mark)
        out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(text(LEFT - 8, y + 4, f"{mark:g}", "end"))
    for i, (label, points) in enumerate(lines):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in sorted(points))
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x_at(x):.1f}" cy="{y_at(y):.1f}" r="3" fill="{colour}"/>' for x, y in points]
        out.append(text(LEFT + 14, TOP + 18 + 16 * i, label, "start", f'fill="{colour}"'))
    return "\n".join(out + ["</svg>", ""])


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "docs/performance"
    for output, source, title, x_label, y_label, series, x, y in FIGURES:
        lines = []
        for dtype in DTYPES:
            rows = measurements(folder, source, dtype)
            for label, keep in series:
                lines.append((f"{dtype}, {label}", [(x(row), y(row)) for row in rows if keep(row)]))
        lines = [(label, points) for label, points in lines if points]
        if not lines:
            print(f"{output}: left out, nothing was measured for it")
            continue
        with open(os.path.join(folder, output), "w") as file:
            file.write(draw(title, x_label, y_label, lines))
        print(os.path.join(folder, output))


if __name__ == "__main__":
    main()
