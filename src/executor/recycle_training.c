/* recycle_training.c: small programs of everyday kinds. What they write to is hot from the start;
 * the rest is learned from the programs that come. */
#include "executor/recycle_training.h"

const char *const azr_exec__training[] = {
    "def f(x=3):\n    return x + 1\n",
    "def f(s='hello world'):\n"
    "    words = s.split()\n"
    "    return ' '.join(w[::-1].upper() for w in words) + str(len(s))\n",
    "def f(numbers=[5, 3, 8, 1]):\n"
    "    total = 0\n"
    "    for i, n in enumerate(sorted(numbers, reverse=True)):\n"
    "        if n % 2 == 0:\n"
    "            total += n * i\n"
    "        else:\n"
    "            total -= n // 2\n"
    "    return {'total': total, 'max': max(numbers), 'all': [n ** 2 for n in numbers]}\n",
    "class Stack:\n"
    "    def __init__(self):\n"
    "        self.items = []\n"
    "    def push(self, item):\n"
    "        self.items.append(item)\n"
    "    def pop(self):\n"
    "        if not self.items:\n"
    "            raise ValueError('empty')\n"
    "        return self.items.pop()\n"
    "def f(n=4):\n"
    "    s = Stack()\n"
    "    for i in range(n):\n"
    "        s.push((i, f'{i:03d}'))\n"
    "    return [s.pop() for _ in range(n)]\n",
    "def f(n=10):\n"
    "    memo = {}\n"
    "    def fib(k):\n"
    "        if k < 2:\n"
    "            return k\n"
    "        if k not in memo:\n"
    "            memo[k] = fib(k - 1) + fib(k - 2)\n"
    "        return memo[k]\n"
    "    return fib(n), set(memo.values()), float(n) / 3\n",
    "from collections import Counter\n"
    "def f(s='abracadabra'):\n"
    "    try:\n"
    "        return Counter(s).most_common(2), s[100]\n"
    "    except IndexError as e:\n"
    "        return str(e), sum(ord(c) for c in s) % 97\n",
    "def f():\n    raise ValueError('no')\n",
    (const char *)0,
};
