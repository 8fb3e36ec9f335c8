"""Names of the learned details of the skin, the components of `portraiture.engine.skin.appearance`.

Like `SHAPES`, they are parameters in [0, 1]. 0.5 is what is expected of the person's sex, age and
colouring, and the range spans three standard deviations to either side.
"""

DETAIL_RANGE = 3.0
"""Standard deviations from 0.5 to 0 and to 1."""

DETAILS: dict[str, str] = {
    f"detail_{k:02d}": f"learned skin detail {k}: brows, folds, lids, bags and lips, "
    "ordered by how much people differ in it; 0.5 is expected for the person"
    for k in range(1, 49)
}
