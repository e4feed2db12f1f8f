"""Computes the polynomials of the elementwise kernels and of attention.

Each is the minimax polynomial of the relative error of the function it stands for, found by the
exchange algorithm of Remez in 40-digit arithmetic and rounded to float32. Needs mpmath and numpy.
"""

import mpmath as mp
import numpy as np

mp.mp.dps = 40


def alternating_extrema(errors):
    """Index of the largest error of each run of one sign."""
    found = []
    for i, e in enumerate(errors):
        if found and mp.sign(e) == mp.sign(errors[found[-1]]):
            if abs(e) > abs(errors[found[-1]]):
                found[-1] = i
        else:
            found.append(i)
    return found


def minimax(f, weight, terms, a, b):
    """Coefficients c (constant first) that minimise max |(f(x) - sum c_i x^i) * weight(x)|."""
    points = [(a + b) / 2 + (b - a) / 2 * mp.cos(mp.pi * (terms - i) / terms) for i in range(terms + 1)]
    grid = [a + (b - a) * (1 - mp.cos(mp.pi * i / 600)) / 2 for i in range(601)]
    for _ in range(30):
        system, right = mp.matrix(terms + 1, terms + 1), mp.matrix(terms + 1, 1)
        for i, x in enumerate(points):
            for j in range(terms):
                system[i, j] = x**j
            system[i, terms] = (-1) ** i / weight(x)
            right[i] = f(x)
        c = list(mp.lu_solve(system, right))[:terms]
        errors = [(f(x) - mp.polyval(c[::-1], x)) * weight(x) for x in grid]
        extrema = alternating_extrema(errors)
        while len(extrema) > terms + 1:
            extrema.pop(0 if abs(errors[extrema[0]]) < abs(errors[extrema[-1]]) else -1)
        if len(extrema) <= terms:
            break
        points = [grid[i] for i in extrema]
    return c, max(abs(e) for e in errors)


def show(name, f, weight, terms, a, b):
    c, error = minimax(f, weight, terms, mp.mpf(a), mp.mpf(b))
    print(f"{name}: relative error 2^{mp.nstr(mp.log(error, 2), 4)}")
    print("  " + ", ".join(f"{np.format_float_positional(np.float32(float(x)), unique=True)}f" for x in c))


def main():
    ln2, tiny = mp.log(2), mp.mpf(10) ** -12

    # 2^f = 1 + f P(f)
    show("2^f", lambda x: (mp.power(2, x) - 1) / x if x else ln2,
         lambda x: abs(x) / mp.power(2, x) + tiny, 6, "-0.5001", "0.5001")

    # e^r = 1 + r + r^2 P(r)
    show("e^r", lambda x: (mp.exp(x) - 1 - x) / x**2 if abs(x) > mp.mpf(10) ** -15 else mp.mpf(0.5),
         lambda x: x**2 / mp.exp(x) + tiny, 5, -ln2 / 2 * mp.mpf("1.0001"), ln2 / 2 * mp.mpf("1.0001"))

    # tanh x = x + x^3 P(x^2), as a function of t = x^2
    ratio = lambda t: mp.tanh(mp.sqrt(t)) / mp.sqrt(t)
    show("tanh", lambda t: (ratio(t) - 1) / t if t > tiny else -mp.mpf(1) / 3,
         lambda t: t / ratio(t) if t > tiny else tiny, 4, 0, "0.25")

    # erfcx(a / sqrt 2) / 2 for 0 <= a <= 13.25, as a function of u = (a - 3) / (a + 3)
    to_a = lambda u: 3 * (1 + u) / (1 - u)
    scaled = lambda u: mp.erfc(to_a(u) / mp.sqrt(2)) * mp.exp(to_a(u) ** 2 / 2) / 2
    show("G", scaled, lambda u: 1 / scaled(u), 10, -1, mp.mpf("10.25") / mp.mpf("16.25"))


if __name__ == "__main__":
    main()
