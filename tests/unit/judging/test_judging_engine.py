from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from conftest import SIZE, brightness_model, explained_model, load
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bridge.judging import engine
from bridge.judging.engine import Engine, Unfit
from bridge.judging.softmax import softmax
from bridge.judging.spec import HeatMapOutput, Input


def saved(tmp_path: Path, model: ov.Model) -> Path:
    ov.save_model(model, tmp_path / "model.xml", compress_to_fp16=False)
    return tmp_path / "model.xml"


def grey(value: float) -> np.ndarray:
    return np.full((SIZE, SIZE, 3), value, np.float32)


@pytest.mark.parametrize(
    "shape", [(-1, SIZE, SIZE, 3), (1, SIZE, SIZE, 3), (-1, 3, SIZE, SIZE), (-1, -1, -1, 3)], ids=str
)
def test_a_batch_gives_each_view_its_own_row(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """In order, the same as one by one, for either layout and for a model saved with a fixed batch."""
    model = Engine(load(saved(tmp_path, brightness_model(shape))))
    views = [grey(value) for value in (0.0, 0.9, 0.2, 1.0, 0.5)]
    together = model.infer(views)
    assert np.allclose(together, np.concatenate([model.infer([view]) for view in views]), atol=1e-6)
    assert together[:, 0].argsort().tolist() == [0, 2, 4, 1, 3]
    assert np.allclose(together.sum(axis=1), 1)


def test_warming_up_finds_how_many_views_go_together(tmp_path: Path) -> None:
    model = Engine(load(saved(tmp_path, brightness_model())))
    model.warm_up()
    assert 1 <= model.batch <= engine.BATCH


@pytest.mark.parametrize(("ms", "views"), [(0.001, 8), (31.25, 8), (32, 7), (100, 2), (251, 1), (9000, 1)])
def test_a_slow_model_gets_smaller_batches(ms: float, views: int) -> None:
    """A batch is how long a cancelled request goes on, and how long silence may last."""
    assert engine.batch_for(ms) == views


def test_a_precision_that_the_processor_lacks_is_refused() -> None:
    """It would be imitated, and the scores would not be those that were validated."""
    with pytest.raises(Unfit, match="precision is bf16, which this processor lacks; export it as f32"):
        engine.check_precision("bf16", ["FP32", "INT8"])
    for precision in ("f32", "bf16", "int8"):
        engine.check_precision(precision, ["FP32", "INT8", "BF16"])


def test_the_precision_of_the_bundle_is_what_runs(tmp_path: Path) -> None:
    model = Engine(load(saved(tmp_path, brightness_model())))
    assert model._model.get_property("INFERENCE_PRECISION_HINT") == ov.Type.f32


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"input": Input(width=SIZE + 1, height=SIZE)}, "its input is .* and the manifest says"),
        ({"input": Input(width=SIZE, height=SIZE, colour="gray")}, "its input is"),
        ({"classes": 3}, "has 2 outputs and the manifest names 3 classes"),
    ],
)
def test_a_model_of_other_shapes_is_refused(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    with pytest.raises(Unfit, match=says):
        Engine(load(saved(tmp_path, brightness_model()), **changes))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_scores_and_heat_map_are_told_apart(tmp_path: Path, named: bool, turned: bool) -> None:  # noqa: FBT001
    """By their names, else by their ranks, in whatever order the model has them."""
    where = saved(tmp_path, explained_model(named=named, turned=turned))
    model = Engine(load(where, heat_map=HeatMapOutput()))
    views = [grey(0.9), grey(0.2)]
    rows, heats = model.explain(views)
    assert heats is not None
    assert heats.shape == (2, 4, 4, 2)
    assert np.allclose(heats[:, :, :, 1], np.array([0.1, 0.8])[:, None, None], atol=1e-6)
    assert np.allclose(rows, Engine(load(saved(tmp_path, brightness_model()))).infer(views), atol=1e-6)


def test_a_heat_map_that_nobody_wants_is_not_computed(tmp_path: Path) -> None:
    """It is taken out before compiling: the model that runs has one output."""
    model = Engine(load(saved(tmp_path, explained_model())))
    rows, heats = model.explain([grey(0.9)])
    assert heats is None
    assert rows.shape == (1, 2)
    assert len(model._model.outputs) == 1


@pytest.mark.parametrize(
    ("model", "changes", "says"),
    [
        (
            brightness_model,
            {"heat_map": HeatMapOutput()},
            "0 may be the heat map 'heat_map' that the manifest names",
        ),
        (
            explained_model,
            {"heat_map": HeatMapOutput(), "classes": 3},
            "it has 2 outputs and the manifest names 3",
        ),
    ],
)
def test_a_heat_map_of_another_shape_is_refused(
    tmp_path: Path, model: Callable[[], ov.Model], changes: dict[str, object], says: str
) -> None:
    with pytest.raises(Unfit, match=says):
        Engine(load(saved(tmp_path, model()), **changes))


def test_two_outputs_that_may_be_scores_are_refused(tmp_path: Path) -> None:
    """A guess would be a verdict of something else."""
    plain = brightness_model()
    twice = [plain.output().get_node().input_value(0)] * 2
    with pytest.raises(Unfit, match="of its 2 outputs 2 may be scores, instead of one"):
        Engine(load(saved(tmp_path, ov.Model(twice, plain.get_parameters(), "twice"))))


@given(st.floats(0.05, 50), st.floats(0, 1))
def test_a_temperature_makes_scores_softer_and_turns_none_around(temperature: float, value: float) -> None:
    """Above 1 nearer to 0.5, below 1 farther from it; the likelier class is the same for every one."""
    logits = np.array([[8 * (value - 0.5), -8 * (value - 0.5)]])
    cold, warm = softmax(logits), softmax(logits / temperature)
    assert warm.argmax() == cold.argmax()
    nearer, farther = (warm, cold) if temperature >= 1 else (cold, warm)
    assert abs(nearer[0, 0] - 0.5) <= abs(farther[0, 0] - 0.5) + 1e-12


def test_the_temperature_of_the_bundle_divides_the_logits(tmp_path: Path) -> None:
    """By hand: logits 3.2 and -3.2 over 2."""
    where = saved(tmp_path, brightness_model())
    (row,) = Engine(load(where, temperature=2.0)).infer([grey(0.9)])
    assert row[0] == pytest.approx(1 / (1 + np.exp(-3.2)), abs=1e-5)


def test_no_model_at_all_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.xml").write_text("<net")
    with pytest.raises(Unfit, match="OpenVINO cannot load it") as caught:
        Engine(load(tmp_path / "model.xml"))
    assert "\n" not in str(caught.value)


matrix = arrays.arrays(np.float64, (3, 4), elements=st.floats(-1e300, 1e300))


@given(matrix)
def test_a_softmax_is_a_distribution_for_any_finite_logits(logits: np.ndarray) -> None:
    """No overflow, however far apart they are; the order is kept."""
    rows = softmax(logits)
    assert np.allclose(rows.sum(axis=1), 1)
    assert (rows >= 0).all()
    assert (rows.max(axis=1) == rows[np.arange(3), logits.argmax(axis=1)]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_becomes_nan_alone(bad: float) -> None:
    rows = softmax(np.array([[1.0, bad], [1.0, 2.0]]))
    assert np.isnan(rows[0]).all()
    assert np.isfinite(rows[1]).all()


@pytest.mark.parametrize("row", [[0.5, 0.6], [1.2, -0.2], [np.nan, 1.0], [0.0, 0.0], [np.inf, 0.0]])
def test_probabilities_that_are_none_become_nan(row: list[float]) -> None:
    rows = engine.checked(np.array([row, [0.25, 0.75]]), 1e-3)
    assert np.isnan(rows[0]).all()
    assert rows[1].tolist() == [0.25, 0.75]


def strange_model() -> ov.Model:
    """One number for each view, 8 * (brightness - 0.5): the brighter, the stranger."""
    return brightness_model(weights=(1.0,))


def test_an_anomaly_is_a_half_at_its_limit(tmp_path: Path) -> None:
    """By hand: p(OK) = 1 / (1 + exp((a - limit) / temperature)), with a of 3.2, 2 and -4."""
    where = saved(tmp_path, strange_model())
    rows = Engine(load(where, limit=2.0, temperature=1.5, threads=4)).infer([grey(0.9), grey(0.75), grey(0.0)])
    assert rows[:, 0] == pytest.approx([1 / (1 + np.exp(0.8)), 0.5, 1 / (1 + np.exp(-4))], abs=1e-5)
    assert rows.sum(axis=1) == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_anomaly_that_is_no_number_is_no_score(tmp_path: Path, bad: float) -> None:
    """Not even one that would be far below every limit: it must not pass."""
    rows = Engine(load(saved(tmp_path, strange_model()), limit=0.0, threads=2)).infer([grey(bad), grey(0.1)])
    assert np.isnan(rows[0]).all()
    assert rows[1, 0] > 0.9


def test_an_anomaly_model_says_one_number(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="has 2 outputs and an anomaly model has 1"):
        Engine(load(saved(tmp_path, brightness_model()), limit=0.0))


@pytest.mark.parametrize("threads", [1, 2])
def test_of_an_anomaly_one_view_is_in_flight_per_core(tmp_path: Path, threads: int) -> None:
    model = Engine(load(saved(tmp_path, strange_model()), limit=0.0, threads=threads))
    model.warm_up()
    assert model.batch == threads
