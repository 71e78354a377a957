#!/usr/bin/env python3
"""Draws the plots of docs/performance.md from the measurements beside it (standard library only).

usage: bench/plot.py [FOLDER]       default docs/performance; reads *.jsonl there, writes *.svg there
A figure whose measurements are not there is left out. To add one: a row in FIGURES.
"""
import json
import math
import os
import sys

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 70, 20, 40, 55
COLOURS = ["#1f6fb2", "#d1562b", "#3a8f4d", "#8a56a8"]


LIMIT = 190  # GFLOP/s


def scaled_seconds(row):
    """As if the matrix products had run at LIMIT: the limit is measured beside each point, and other
    work on the machine slows both."""
    return row["seconds"] * row["limit"] / LIMIT


def is_wide(row):
    return row["prompt"] == 128


def is_long(row):
    return row["streams"] == 8


def milliseconds_a_token(row):
    return 1e3 * scaled_seconds(row) / (row["streams"] * row["new"])


def context(row):
    return row["prompt"] + row["new"] / 2


# output, input, title, x label, y label, [(label, keep, x, y)]
FIGURES = [
    (
        "train.svg",
        "train.jsonl",
        "SmolLM2-135M: one training step against its tokens",
        "tokens of the step",
        f"seconds, scaled to a limit of {LIMIT} GFLOP/s",
        [
            ("sequences of 256", lambda r: r["length"] == 256, lambda r: r["tokens"], scaled_seconds),
            ("one sequence", lambda r: r["sequences"] == 1, lambda r: r["tokens"], scaled_seconds),
        ],
    ),
    (
        "train_share.svg",
        "train.jsonl",
        "SmolLM2-135M: share of the limit that a training step reaches",
        "tokens of the step",
        "per cent of the limit",
        [
            ("sequences of 256", lambda r: r["length"] == 256, lambda r: r["tokens"], lambda r: 100 * r["share"]),
            ("one sequence", lambda r: r["sequences"] == 1, lambda r: r["tokens"], lambda r: 100 * r["share"]),
        ],
    ),
    (
        "decode_width.svg",
        "decode.jsonl",
        "SmolLM2-135M: generation against its width, prompts of 128 tokens",
        "streams decoded together",
        f"milliseconds a token, scaled to a limit of {LIMIT} GFLOP/s",
        [("32 new tokens each", is_wide, lambda r: r["streams"], milliseconds_a_token)],
    ),
    (
        "decode_width_share.svg",
        "decode.jsonl",
        "SmolLM2-135M: share of the limit that generation reaches",
        "streams decoded together",
        "per cent of the limit",
        [("32 new tokens each", is_wide, lambda r: r["streams"], lambda r: 100 * r["share"])],
    ),
    (
        "decode_context.svg",
        "decode.jsonl",
        "SmolLM2-135M: generation against its context, 8 streams",
        "tokens of context",
        f"milliseconds a token, scaled to a limit of {LIMIT} GFLOP/s",
        [("32 new tokens each", is_long, context, milliseconds_a_token)],
    ),
]


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
    for output, source, title, x_label, y_label, series in FIGURES:
        path = os.path.join(folder, source)
        if not os.path.exists(path):
            print(f"{output}: left out, {path} is not there")
            continue
        rows = [json.loads(line) for line in open(path) if line.strip()]
        lines = [(label, [(x(r), y(r)) for r in rows if keep(r)]) for label, keep, x, y in series]
        lines = [(label, points) for label, points in lines if points]
        with open(os.path.join(folder, output), "w") as file:
            file.write(draw(title, x_label, y_label, lines))
        print(os.path.join(folder, output))


if __name__ == "__main__":
    main()
