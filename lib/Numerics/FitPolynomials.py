#!/usr/bin/env python3
"""Recomputes the polynomial coefficients of FloatFunctions.h and prints them as C++ (needs numpy).

Each polynomial is a weighted least-squares fit on Chebyshev nodes with Lawson's reweighting, which converges to the
minimax fit. Coefficients are rounded to float32 one after the other, lowest power first, and the rest is refitted
after each rounding, so that the rounding of one coefficient is absorbed by the next ones.
"""
import math
import numpy as np

L = np.longdouble


def lawson(x, target, weight, powers, iterations=60):
    """Coefficients c with sum_i c[i] x^powers[i] ~ target, minimising max |weight * error|."""
    basis = np.stack([x ** p for p in powers], axis=1)
    w = np.ones_like(x)
    best, best_error = None, np.inf
    for _ in range(iterations):
        s = np.sqrt(w) * weight
        # numpy's solver works in float64: refine the solution once in extended precision
        a = (basis * s[:, None]).astype(np.float64)
        scale = np.linalg.norm(a, axis=0)
        c = np.zeros(len(powers), dtype=L)
        for _ in range(3):
            rest = ((target - basis @ c) * s).astype(np.float64)
            c = c + np.linalg.lstsq(a / scale, rest, rcond=None)[0] / scale
        error = np.abs((target - basis @ c) * weight)
        if error.max() < best_error:
            best, best_error = c, error.max()
        w = w * (error / error.max() + 1e-3)
        w = w / w.mean()
    return best, best_error


def fit(name, lo, hi, target, weight, powers, nodes=3001):
    """Fits and prints one table. target and weight take the argument as extended precision."""
    k = np.arange(nodes, dtype=L)
    x = (hi + lo) / 2 + (hi - lo) / 2 * np.cos(np.pi * (k + 0.5) / nodes)
    x = x.astype(L)
    y, w = target(x), weight(x)
    fixed, rest = [], list(powers)
    while rest:
        done = sum((L(c) * x ** p for c, p in zip(fixed, powers)), np.zeros_like(x))
        c, _ = lawson(x, y - done, w, rest)
        fixed.append(np.float32(c[0]))
        rest.pop(0)
    value = sum((L(c) * x ** p for c, p in zip(fixed, powers)), np.zeros_like(x))
    error = np.abs((value - y) * w).max()
    print(f"// {name}: weighted error {float(error):.2e}")
    print("  " + ", ".join(float(c).hex() + "f" for c in fixed))


def erf(x):
    return np.array([math.erf(float(v)) for v in x], dtype=L)


def log_erfc(x):
    return np.array([math.log(math.erfc(float(v))) for v in x], dtype=L)


half_ln2 = L(math.log(2)) / 2
one = np.ones_like
fit("exp: (e^r - 1 - r) / r^2", -half_ln2 * L(1.001), half_ln2 * L(1.001),
    lambda r: (np.expm1(r) - r) / r ** 2, lambda r: r ** 2 / np.exp(r), range(0, 5))
fit("exp2: (2^f - 1) / f", L(-0.5), L(0.5), lambda f: np.expm1(f * np.log(L(2))) / f, lambda f: f / np.exp2(f), range(0, 6))
lo, hi = np.sqrt(L(0.5)) - 1, np.sqrt(L(2)) - 1
fit("log: (log(1+f) - f + f^2/2) / f^3", lo, hi, lambda f: (np.log1p(f) - f + f * f / 2) / f ** 3,
    lambda f: f ** 3 / np.log1p(f), range(0, 8))
fit("erf small: erf(x)/x - 1 in x^2", L(1e-3), L(0.925), lambda x: erf(x) / x - 1, lambda x: x / erf(x), range(0, 14, 2))
fit("erf large: log(erfc(t))", L(0.915), L(4.0), log_erfc,
    lambda t: np.array([math.erfc(float(v)) for v in t], dtype=L), range(0, 7))
fit("tanh small: (tanh x - x)/x^3 in x^2", L(1e-2), L(0.63), lambda x: (np.tanh(x) - x) / x ** 3, lambda x: x ** 3 / np.tanh(x),
    range(0, 10, 2))
quarter = L(math.pi) / 4 * L(1.001)
fit("sin: (sin r - r)/r^3 in r^2", L(1e-2), quarter, lambda x: (np.sin(x) - x) / x ** 3, lambda x: x ** 3 / np.sin(x), range(0, 8, 2))
fit("cos: (cos r - 1 + r^2/2)/r^4 in r^2", L(1e-1), quarter, lambda x: (np.cos(x) - 1 + x * x / 2) / x ** 4,
    lambda x: x ** 4 / np.cos(x), range(0, 8, 2))
