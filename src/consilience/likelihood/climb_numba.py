"""The climb of `climb_lanes` as a compiled kernel: one lane after the other, the same steps, the same ends.

For models whose covariance is quadratic in theta (unstructured and linear terms). Optional: it needs numba, is compiled once
and cached on disk, and agrees with the NumPy form to 1e-10. Importing this module imports numba.

A `model` is (v (n, m, m), spread (C, n m m), data (n, m, p + 1), slopes (q, C), bend (q, q, C), mirror (q,) place of
the diagonal entry that decides the sign or -1, constant, size, reml?); see `lanes.LaneModel`. A `place` is one point: (score (q,),
matrices (3, q, q)) that `_evaluate` fills.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .climb_lanes import FLOOR, HALVINGS
from .lanes import UNSEEN
from .optimise import AIM, BESIDE, MOST_STEPS, NEAR

SAFE = 1e-4  # share of a diagonal entry that is left of it, above which no eigenvalue needs a look


@njit(cache=True, nogil=True, error_model="numpy")
def _inverse_root(model, c, b, lower, inverse):
    """L^-1 (m, m) of block b at the coordinates c (C,) into `inverse`; log |L^-1|, minus infinity if there is none."""
    v, spread = model[0], model[1]
    m, value = len(lower), 0.0
    for i in range(m):
        for j in range(i + 1):
            entry, place = v[b, i, j], (b * m + i) * m + j
            for a in range(len(c)):
                entry += c[a] * spread[a, place]
            for h in range(j):
                entry -= lower[i, h] * lower[j, h]
            if i > j:
                lower[i, j] = entry / lower[j, j]
            elif entry > 0.0 and entry < np.inf:
                lower[i, i] = np.sqrt(entry)
            else:
                return -np.inf
    for j in range(m):
        inverse[j, j] = 1.0 / lower[j, j]
        value += np.log(inverse[j, j])
        for i in range(j + 1, m):
            entry = 0.0
            for h in range(j, i):
                entry += lower[i, h] * inverse[h, j]
            inverse[i, j] = -entry / lower[i, i]
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def _orthonormal(white, reml):
    """Makes the columns but the last orthonormal and takes them out of the last; what this adds to the log-likelihood."""
    rows, columns = white.shape
    value = 0.0
    for a in range(columns):  # each column against those before it, twice (Giraud & Langou 2005)
        for _ in range(2):
            for h in range(a):
                along = 0.0
                for i in range(rows):
                    along += white[i, h] * white[i, a]
                for i in range(rows):
                    white[i, a] -= along * white[i, h]
        square = 0.0
        for i in range(rows):
            square += white[i, a] ** 2
        if a == columns - 1:
            return value - 0.5 * square
        length = np.sqrt(square)
        for i in range(rows):
            white[i, a] /= length
        if reml:
            value -= np.log(length)
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def _white(model, c):
    """Log-likelihood, L^-1 (n, m, m) and E (n m, p + 1) from the coordinates c (C,)."""
    _, _, data, _, _, _, constant, _, reml = model
    n, m, columns = data.shape
    inverse, white = np.zeros((n, m, m)), np.zeros((n * m, columns))
    lower, value = np.empty((m, m)), constant
    for b in range(n):
        value += _inverse_root(model, c, b, lower, inverse[b])
        if value == -np.inf:
            return value, inverse, white
        for i in range(m):
            for a in range(columns):
                for h in range(i + 1):
                    white[b * m + i, a] += inverse[b, i, h] * data[b, h, a]
    value += _orthonormal(white, reml)
    return (value if np.isfinite(value) else -np.inf), inverse, white


@njit(cache=True, nogil=True, error_model="numpy")
def _coordinates(model, theta):
    """c(theta) (C,) and its derivatives (q, C)."""
    _, _, _, slopes, bend, _, _, _, _ = model
    q, count = slopes.shape
    c, dc = np.zeros(count), slopes.copy()
    for a in range(count):
        for i in range(q):
            half = 0.0
            for j in range(q):
                half += bend[i, j, a] * theta[j]
            dc[i, a] += half
            c[a] += theta[i] * (slopes[i, a] + 0.5 * half)
    return c, dc


@njit(cache=True, nogil=True, error_model="numpy")
def _gamma(model, inverse, white):
    """(C,) the derivatives of -2 log-likelihood with respect to the coordinates."""
    _, spread, data, _, _, _, _, _, reml = model
    n, m, columns = data.shape
    first = 0 if reml else columns - 1
    left, half = np.empty((m, m)), np.empty((m, m))
    result = np.zeros(len(spread))
    for b in range(n):
        for i in range(m):
            for j in range(m):
                entry = 1.0 if i == j else 0.0
                for a in range(first, columns):
                    entry -= white[b * m + i, a] * white[b * m + j, a]
                left[i, j] = entry
        for i in range(m):
            for j in range(m):
                entry = 0.0
                for h in range(j, m):
                    entry += left[i, h] * inverse[b, h, j]
                half[i, j] = entry
        for i in range(m):
            for j in range(m):
                entry = 0.0
                for h in range(i, m):
                    entry += inverse[b, h, i] * half[h, j]
                for a in range(len(spread)):
                    result[a] += entry * spread[a, (b * m + i) * m + j]
    return result


@njit(cache=True, nogil=True, error_model="numpy")
def _move(model, inverse, dc, turned, room):
    """L^-1 dM L^-T, blocks below each other, into `turned` (n m, m) for one row dc (C,) of the slopes; room : two (m, m) to
    work in."""
    _, spread, data, _, _, _, _, _, _ = model
    half, own = room
    n, m, _ = data.shape
    for b in range(n):
        for i in range(m):
            for j in range(m):
                entry = 0.0
                for a in range(len(dc)):
                    entry += dc[a] * spread[a, (b * m + i) * m + j]
                own[i, j] = entry
        for i in range(m):
            for j in range(m):
                entry = 0.0
                for h in range(i + 1):
                    entry += inverse[b, i, h] * own[h, j]
                half[i, j] = entry
        for i in range(m):
            for j in range(m):
                entry = 0.0
                for h in range(j + 1):
                    entry += half[i, h] * inverse[b, j, h]
                turned[b * m + i, j] = entry


@njit(cache=True, nogil=True, error_model="numpy")
def _products(model, inverse, white, dc):
    """Of each parameter: moved (q, n m, m), parts (q, p + 1, n m) moved times E, inner (q, p, p + 1) E'parts."""
    n, m, columns = model[2].shape
    q, p = len(dc), columns - 1
    moved, parts = np.empty((q, n * m, m)), np.empty((q, columns, n * m))
    inner, room = np.zeros((q, p, columns)), (np.empty((m, m)), np.empty((m, m)))
    for i in range(q):
        _move(model, inverse, dc[i], moved[i], room)
        for row in range(n * m):
            start = row - row % m
            for a in range(columns):
                entry = 0.0
                for h in range(m):
                    entry += moved[i, row, h] * white[start + h, a]
                parts[i, a, row] = entry
        for a in range(p):
            for d in range(columns):
                for row in range(n * m):
                    inner[i, a, d] += white[row, a] * parts[i, d, row]
    return moved, parts, inner


@njit(cache=True, nogil=True, error_model="numpy")
def _dot(a, b):
    """Sum of products; without the temporary array of (a * b).sum()."""
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _evaluate(model, theta, place):
    """The log-likelihood at theta; fills the score and the three matrices of `lanes.Lanes`."""
    score, matrices = place
    _, _, data, _, bend, _, _, _, reml = model
    p, q = data.shape[2] - 1, len(theta)
    c, dc = _coordinates(model, theta)
    value, inverse, white = _white(model, c)
    if value == -np.inf:
        score[:] = np.nan
        matrices[:] = np.nan
        return value
    gamma = _gamma(model, inverse, white)
    moved, parts, inner = _products(model, inverse, white, dc)
    moved = moved.reshape(q, -1)
    hidden = np.zeros(q, dtype=np.bool_)
    for i in range(q):
        score[i] = -0.5 * _dot(dc[i], gamma)
        for j in range(i + 1):
            information = _dot(parts[i, p], parts[j, p])
            for a in range(p):
                information -= inner[i, a, p] * inner[j, a, p]
            pairs = _dot(moved[i], moved[j])
            whole = pairs
            if reml:
                for a in range(p):
                    pairs -= 2 * _dot(parts[i, a], parts[j, a])
                    for d in range(p):
                        pairs += inner[i, a, d] * inner[j, a, d]
            curvature = 0.5 * _dot(gamma, bend[i, j])
            hidden[i] = i == j and pairs < UNSEEN * whole
            matrices[0, i, j] = matrices[0, j, i] = 0.5 * information
            matrices[1, i, j] = matrices[1, j, i] = curvature
            matrices[2, i, j] = matrices[2, j, i] = information - 0.5 * pairs + curvature
    for i in range(q):
        if hidden[i]:
            score[i] = 0.0
            matrices[:, i] = 0.0
            matrices[:, :, i] = 0.0
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def _canonical(model, theta):
    """Columns of Cholesky factors with a positive diagonal."""
    mirror, result = model[5], theta.copy()
    for i in range(len(theta)):
        if mirror[i] >= 0 and theta[mirror[i]] < 0:
            result[i] = -theta[i]
    return result


@njit(cache=True, nogil=True, error_model="numpy")
def _standing(theta, place, box):
    """What may move (q,), the deviations of the scores (q,), the largest scaled score."""
    score, matrices = place
    lower, upper, free = box
    moving, spread, largest = np.zeros(len(theta), dtype=np.bool_), np.empty(len(theta)), 0.0
    for i in range(len(theta)):
        spread[i] = np.sqrt(matrices[0, i, i] + abs(matrices[1, i, i]))
        held = (theta[i] <= lower[i] and score[i] <= 0) or (theta[i] >= upper[i] and score[i] >= 0)
        moving[i] = free[i] and not held
        if moving[i] and spread[i] > 0:
            largest = max(largest, abs(score[i]) / spread[i])
    return moving, spread, largest


@njit(cache=True, nogil=True, error_model="numpy")
def _by_cholesky(a, b):
    """Solution of a x = b, and whether a is safely positive definite (else the solution means nothing)."""
    q = len(b)
    lower, x = np.zeros((q, q)), b.copy()
    for i in range(q):
        for j in range(i + 1):
            entry = a[i, j]
            for h in range(j):
                entry -= lower[i, h] * lower[j, h]
            if i > j:
                lower[i, j] = entry / lower[j, j]
            elif entry > SAFE * a[i, i]:
                lower[i, i] = np.sqrt(entry)
            else:
                return x, False
        for h in range(i):
            x[i] -= lower[i, h] * x[h]
        x[i] /= lower[i, i]
    for i in range(q - 1, -1, -1):
        for h in range(i + 1, q):
            x[i] -= lower[h, i] * x[h]
        x[i] /= lower[i, i]
    return x, True


@njit(cache=True, nogil=True, error_model="numpy")
def _solved(score, information, scale):
    """Newton step (q,) with every eigenvalue made positive, and whether all were."""
    q = len(score)
    scaled = np.empty((q, q))
    for i in range(q):
        for j in range(q):
            scaled[i, j] = information[i, j] * scale[i] * scale[j]
        if scale[i] == 0:
            scaled[i, i] = 1.0
    if not np.isfinite(scaled).all():
        return np.zeros(q), True
    step, easy = _by_cholesky(scaled, score * scale)
    if easy:
        return step * scale, True
    values, vectors = np.linalg.eigh(scaled)
    least = FLOOR * max(np.abs(values).max(), 1e-300)
    step[:] = 0.0
    for a in range(q):
        along = 0.0
        for i in range(q):
            along += score[i] * scale[i] * vectors[i, a]
        along /= max(abs(values[a]), least)
        for i in range(q):
            step[i] += along * vectors[i, a] * scale[i]
    return step, values[0] > 0


@njit(cache=True, nogil=True, error_model="numpy")
def _direction(place, moving, spread):
    score, matrices = place
    scale = np.zeros(len(score))
    for i in range(len(score)):
        if moving[i] and spread[i] > 0:
            scale[i] = 1.0 / spread[i]
    step, positive = _solved(score, matrices[2], scale)
    if not positive:
        step, _ = _solved(score, matrices[0] + matrices[1], scale)
    return step


@njit(cache=True, nogil=True, error_model="numpy")
def _beside(theta, spread, thetas, found):
    """The one of the maxima found before that theta is beside, or -1."""
    for other in range(found):
        near = True
        for i in range(len(theta)):
            if not abs(theta[i] - thetas[other, i]) * spread[i] < BESIDE:
                near = False
                break
        if near:
            return other
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def _clipped(theta, box):
    return np.minimum(np.maximum(theta, box[0]), box[1])


@njit(cache=True, nogil=True, error_model="numpy")
def _climb_one(model, box, theta, place, before):
    """Climb from theta; returns (theta, value, scaled score, steps, what may move, the maximum found before that it is
    beside, or -1)."""
    value = _evaluate(model, theta, place)
    moving, spread, scaled = _standing(theta, place, box)
    there = np.empty_like(place[0]), np.empty_like(place[1])
    length, steps, fresh, step = 1.0, 0, True, np.zeros(len(theta))
    for iteration in range(MOST_STEPS):
        if scaled < NEAR:
            met = _beside(theta, spread, before[0], before[1])
            if met >= 0:
                return theta, value, scaled, steps, moving, met
        if value == -np.inf or not scaled >= AIM or length <= 0.5**HALVINGS:
            break
        steps = iteration + 1
        if fresh:
            step = _direction(place, moving, spread)
        trial = _clipped(theta + length * step, box)
        gain, still = 0.0, True
        for i in range(len(theta)):
            gain += place[0][i] * (trial[i] - theta[i])
            still = still and trial[i] == theta[i]
        trial = _canonical(model, trial)
        level = _evaluate(model, trial, there)
        then = _standing(trial, there, box)
        noise = 1e-13 * (abs(value) + model[7])
        if gain > 100 * noise:
            fresh = level - value >= 1e-4 * gain
        else:
            fresh = level - value >= -noise and then[2] < 0.9 * scaled
        if fresh:
            theta, value, length = trial, level, 1.0
            moving, spread, scaled = then
            place[0][:], place[1][:] = there
        else:
            length = 0.0 if still else 0.5 * length
    return theta, value, scaled, steps, moving, -1


@njit(cache=True, nogil=True, error_model="numpy")
def climb_all(model, box, starts):
    """From each start (L, q) the maximum uphill; those that are not beside an earlier one, as arrays of length F <= L:
    theta (F, q), (value, scaled score, steps, climbs) (F, 4), what may move (F, q), score (F, q), matrices (F, 3, q, q)."""
    lanes, q = starts.shape
    thetas, numbers = np.empty((lanes, q)), np.empty((lanes, 4))
    movable = np.zeros((lanes, q), dtype=np.bool_)
    scores, matrices = np.empty((lanes, q)), np.empty((lanes, 3, q, q))
    found = 0
    for lane in range(lanes):
        place = scores[found], matrices[found]
        start = _canonical(model, _clipped(starts[lane], box))
        theta, value, scaled, steps, moving, met = _climb_one(model, box, start, place, (thetas, found))
        if met >= 0:
            numbers[met, 3] += 1
        if met >= 0 or value == -np.inf:
            continue
        thetas[found], movable[found] = theta, moving
        numbers[found, 0], numbers[found, 1], numbers[found, 2] = value, scaled, steps
        numbers[found, 3] = 1
        found += 1
    return thetas[:found], numbers[:found], movable[:found], scores[:found], matrices[:found]


@njit(cache=True, nogil=True, error_model="numpy")
def logliks(model, thetas):
    """(L,) log-likelihoods, minus infinity where there is none."""
    result = np.empty(len(thetas))
    for lane in range(len(thetas)):
        result[lane] = _white(model, _coordinates(model, thetas[lane])[0])[0]
    return result
