"""Small symmetric matrices: their eigenvalues and square roots."""

import math
from collections.abc import Sequence

Matrix = list[list[float]]
SWEEPS = 60
"""More than any matrix of questions needs: each sweep squares what is left beside the diagonal."""

NOTHING = 1e-10
"""An eigenvalue below is none: a question that others say altogether."""


def product(one: Matrix, other: Matrix) -> Matrix:
    """The product of two matrices."""
    columns = list(zip(*other, strict=True))
    return [
        [sum(a * b for a, b in zip(row, column, strict=True)) for column in columns] for row in one
    ]


def eigen(symmetric: Matrix) -> tuple[list[float], Matrix]:
    """Eigenvalues, and eigenvectors as columns, by Jacobi's rotations (Golub and Van Loan, Matrix
    Computations, section 8.5).
    """
    size = len(symmetric)
    a = [row[:] for row in symmetric]
    vectors = [[float(row == column) for column in range(size)] for row in range(size)]
    places = [(p, q) for p in range(size) for q in range(p + 1, size)]
    for _ in range(SWEEPS):
        if sum(a[p][q] ** 2 for p, q in places) < NOTHING**2:
            break
        for p, q in places:
            _rotate(a, vectors, p, q)
    return [a[at][at] for at in range(size)], vectors


def _rotate(a: Matrix, vectors: Matrix, p: int, q: int) -> None:
    """Make a[p][q] nothing by a turn in the plane of p and q."""
    if a[p][q] == 0:
        return
    theta = (a[q][q] - a[p][p]) / (2 * a[p][q])
    tangent = math.copysign(1, theta) / (abs(theta) + math.hypot(theta, 1))
    cosine = 1 / math.hypot(tangent, 1)
    sine = tangent * cosine
    for matrix in (a, vectors):
        for row in matrix:
            row[p], row[q] = cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]
    for at in range(len(a)):
        a[p][at], a[q][at] = (
            cosine * a[p][at] - sine * a[q][at],
            sine * a[p][at] + cosine * a[q][at],
        )


def roots(symmetric: Matrix) -> tuple[Matrix, Matrix]:
    """The square root of a matrix without negative eigenvalues, and the inverse of the root, which
    leaves out directions in which there is nothing (Moore and Penrose).
    """
    values, vectors = eigen(symmetric)
    whole = [math.sqrt(value) if value > NOTHING else 0.0 for value in values]
    inverse = [1 / value if value else 0.0 for value in whole]
    return _composed(vectors, whole), _composed(vectors, inverse)


def _composed(vectors: Matrix, values: Sequence[float]) -> Matrix:
    scaled = [[one * value for one, value in zip(row, values, strict=True)] for row in vectors]
    return product(scaled, [list(column) for column in zip(*vectors, strict=True)])
