"""Mistakes and what is said of them: the argument in backticks, what was expected, what came. Nothing has changed afterwards."""

import math

import numpy as np
import pytest
import torch

import torchkeras as keras
from tests.oracle import keras as real
from torchkeras import callbacks, constraints, initializers, layers, losses, metrics, optimizers, random, regularizers
from torchkeras.optimizers import schedules

NAN, INF = float("nan"), float("inf")
X, Y, LABELS = np.ones((8, 4), "float32"), np.ones((8, 3), "float32"), np.array([0, 1, 2, 0, 1, 2, 0, 1])
ONES = np.ones((2, 3, 4), "float32")


def model(units=3, loss="mse", activation=None, **options):
    made = keras.Sequential([keras.Input((4,)), layers.Dense(units, activation=activation)])
    made.compile("sgd", loss, **options)
    return made


def sparse():
    return model(loss="sparse_categorical_crossentropy", activation="softmax")


def two():
    a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
    joined = layers.Concatenate()([a, b])
    made = keras.Model({"a": a, "b": b}, {"u": layers.Dense(1, name="u")(joined), "v": layers.Dense(2, name="v")(joined)})
    made.compile("sgd", "mse")
    return made


def subclass(call, **methods):
    def __init__(self):
        keras.Model.__init__(self)
        self.dense = layers.Dense(3)

    made = type("Mine", (keras.Model,), {"__init__": __init__, "call": call, **methods})()
    made.compile("sgd", "mse")
    return made


def layer(call):
    return type("Mine", (layers.Layer,), {"call": call})()


def fit(made, x=X, y=Y, **options):
    return made.fit(x, y, verbose=0, **options)


class Table(dict):
    """Name of a mistake to what makes it and the beginning of its message."""

    def of(self, family, **rows):
        self.update({f"{family}.{name}": row for name, row in rows.items()})


# What is wrong by itself: an argument of a constructor or of one call.
VALUES = Table()
for cls in (optimizers.Adam, optimizers.AdamW, optimizers.Nadam, optimizers.Adamax, optimizers.Lamb):
    for value in (1.5, 1.0, -0.1, NAN, "a"):
        VALUES.of(
            cls.__name__, **{f"beta_1={value}": (lambda c=cls, v=value: c(beta_1=v), "`beta_1` must be a number at least 0 and below 1")}
        )
    VALUES.of(cls.__name__, beta_2=(lambda c=cls: c(beta_2=2.0), "`beta_2` must be a number at least 0 and at most 1"))
    VALUES.of(cls.__name__, epsilon=(lambda c=cls: c(epsilon=-1.0), "`epsilon` must be a number at least 0, or None"))
for cls in (optimizers.SGD, optimizers.Adam, optimizers.RMSprop, optimizers.Lion, optimizers.Adagrad, optimizers.Ftrl):
    for name, value in (("weight_decay", -0.1), ("weight_decay", NAN), ("clipnorm", -1.0), ("clipvalue", NAN), ("global_clipnorm", -1.0)):
        VALUES.of(
            cls.__name__, **{f"{name}={value}": (lambda c=cls, n=name, v=value: c(**{n: v}), f"`{name}` must be a number at least 0")}
        )
    for value in (NAN, INF):
        VALUES.of(cls.__name__, **{f"rate={value}": (lambda c=cls, v=value: c(v), "`learning_rate` must be a finite number")})
VALUES.of(
    "optimizers",
    loss_scale=(lambda: optimizers.SGD(loss_scale_factor=-1), "`loss_scale_factor` must be a number above 0, or None"),
    momentum=(lambda: optimizers.SGD(momentum=1.5), "`momentum` must be a number at least 0 and at most 1"),
    momentum_nan=(lambda: optimizers.RMSprop(momentum=NAN), "`momentum` must be a number"),
    rho=(lambda: optimizers.RMSprop(rho=1.5), "`rho` must be a number at least 0 and at most 1"),
    rho_negative=(lambda: optimizers.Adadelta(rho=-0.5), "`rho` must be"),
    accumulator=(lambda: optimizers.Adagrad(initial_accumulator_value=-1), "`initial_accumulator_value` must be a number at least 0"),
    lion=(lambda: optimizers.Lion(beta_1=0.0), "`beta_1` must be a number at most 1 and above 0"),
    threshold=(lambda: optimizers.Adafactor(clip_threshold=-1.0), "`clip_threshold` must be a number above 0"),
    decay=(lambda: optimizers.Adafactor(beta_2_decay=0.5), "`beta_2_decay` must be a number at most 0"),
    muon=(lambda: optimizers.Muon(adam_beta_1=1.5), "`adam_beta_1` must be"),
    scale=(lambda: optimizers.LossScaleOptimizer(optimizers.SGD(), initial_scale=-1.0), "`initial_scale` must be a number above 0"),
    growth=(lambda: optimizers.LossScaleOptimizer(optimizers.SGD(), dynamic_growth_steps=0), "`dynamic_growth_steps` must be"),
    unknown=(lambda: optimizers.get("sgdd"), "Unknown optimizer: 'sgdd'. Did you mean 'sgd'"),
    kind=(lambda: optimizers.Adam("fast"), "`learning_rate` must be a number, a LearningRateSchedule"),
    accumulation=(lambda: optimizers.Adam(gradient_accumulation_steps=1), "`gradient_accumulation_steps` must be an integer"),
)
VALUES.of(
    "schedules",
    rate=(lambda: schedules.ExponentialDecay(NAN, 5, 0.9), "`initial_learning_rate` must be a number"),
    decay=(lambda: schedules.ExponentialDecay(0.1, 5, -0.9), "`decay_rate` must be a number at least 0"),
    steps=(lambda: schedules.CosineDecay(0.1, 0), "`decay_steps` must be greater than 0"),
    warmup=(lambda: schedules.CosineDecay(0.1, 10, warmup_steps=-1), "`warmup_steps` must be a number at least 0"),
    order=(lambda: schedules.PiecewiseConstantDecay([2, 1], [0.1, 0.2, 0.3]), "`boundaries` must be steps in rising order"),
    t_mul=(lambda: schedules.CosineDecayRestarts(0.1, 10, t_mul=-1.0), "`t_mul` must be a number above 0"),
)
VALUES.of(
    "losses",
    huber=(lambda: losses.Huber(delta=-1.0), "`delta` must be a number at least 0"),
    huber_nan=(lambda: losses.Huber(delta=NAN), "`delta` must be a number"),
    gamma=(lambda: losses.BinaryFocalCrossentropy(gamma=-1.0), "`gamma` must be a number at least 0"),
    alpha=(lambda: losses.BinaryFocalCrossentropy(alpha=2.0), "`alpha` must be a number at least 0 and at most 1"),
    focal=(lambda: losses.CategoricalFocalCrossentropy(gamma=NAN), "`gamma` must be"),
    tversky=(lambda: losses.Tversky(alpha=-1.0), "`alpha` must be a number at least 0"),
    circle=(lambda: losses.Circle(gamma=-1.0), "`gamma` must be a number above 0"),
    smoothing=(lambda: losses.CategoricalCrossentropy(label_smoothing=NAN), "`label_smoothing` must be between 0 and 1"),
    reduction=(lambda: losses.MeanSquaredError(reduction="avg"), "`reduction` must be one of"),
    unknown=(lambda: losses.get("mean_sqared_error"), "Unknown loss: 'mean_sqared_error'. Did you mean 'mean_squared_error'"),
    fractions=(lambda: losses.SparseCategoricalCrossentropy()([0, 1.5], np.full((2, 3), 1 / 3)), "`y_true` must hold integer labels"),
    fractions_from_logits=(
        lambda: losses.SparseCategoricalCrossentropy(from_logits=True)([0, 0.5], np.ones((2, 3))),
        "`y_true` must hold integer labels",
    ),
    beyond=(lambda: losses.SparseCategoricalCrossentropy()([0, 3], np.full((2, 3), 1 / 3)), "`y_true` must hold labels from 0 to 2"),
    one_hot=(lambda: losses.SparseCategoricalCrossentropy()(np.eye(3), np.full((3, 3), 1 / 3)), "`y_true` must hold one integer label"),
    indices=(
        lambda: losses.CategoricalCrossentropy()(np.array([0, 1]), np.full((2, 3), 1 / 3)),
        "`y_true` and `y_pred` must have the same shape",
    ),
    shapes=(lambda: losses.MeanSquaredError()(np.ones((2, 3)), np.ones((2, 4))), "`y_true` and `y_pred` must have the same shape"),
)
VALUES.of(
    "metrics",
    function=(lambda: metrics.MeanMetricWrapper(4), "`fn` must be callable, such as"),
    thresholds=(lambda: metrics.Recall(thresholds="a"), "`thresholds` must lie between 0 and 1"),
    top_k=(lambda: metrics.TopKCategoricalAccuracy(k=0), "`k` must be a positive integer"),
    unknown=(lambda: metrics.get("accuarcy"), "Unknown metric: 'accuarcy'. Did you mean 'Accuracy'"),
)
VALUES.of(
    "weights",
    l1=(lambda: regularizers.L1(-1.0), "`l1` must be a number that is not negative"),
    l2=(lambda: regularizers.L2(NAN), "`l2` must be a number that is not negative"),
    norm=(lambda: constraints.MaxNorm(NAN), "`max_value` must be a number at least 0"),
    norms=(lambda: constraints.MinMaxNorm(2.0, 1.0), "`min_value` must not exceed `max_value`"),
    rate=(lambda: constraints.MinMaxNorm(rate=2.0), "`rate` must be a number at least 0 and at most 1"),
    normal=(lambda: initializers.RandomNormal(stddev=-1.0), "`stddev` must be a number at least 0"),
    truncated=(lambda: initializers.TruncatedNormal(stddev=NAN), "`stddev` must be a number at least 0"),
    uniform=(lambda: initializers.RandomUniform(NAN), "`minval` must be a number"),
    constant=(lambda: initializers.Constant("a"), "`value` must be a number or an array"),
    shape=(lambda: initializers.Zeros()((2, -1)), "`shape` must hold whole numbers, none negative"),
    draw=(lambda: random.normal((2,), stddev=-1.0), "`stddev` must not be negative"),
    negative=(lambda: layers.Layer().add_weight(shape=(-1, 2)), "`shape` must not have negative sizes"),
    fraction=(lambda: layers.Layer().add_weight(shape=(2.5,)), "`shape` must be a tuple of sizes"),
    unknown=(lambda: layers.Layer().add_weight(shape=(None, 2)), "`shape` of the weight"),
    name=(lambda: layers.Layer().add_weight(shape=(2,), name=3), "`name` must be a string"),
    initializer=(lambda: layers.Dense(2, kernel_initializer="glorot"), "Unknown initializer: 'glorot'. Did you mean 'Glorot"),
)
VALUES.of(
    "callbacks",
    patience=(lambda: callbacks.EarlyStopping(patience=-1), "`patience` must be a number at least 0"),
    patience_kind=(lambda: callbacks.EarlyStopping(patience="a"), "`patience` must be a number"),
    monitor=(lambda: callbacks.EarlyStopping(monitor=3), "`monitor` must be the name of an entry"),
    delta=(lambda: callbacks.EarlyStopping(min_delta=NAN), "`min_delta` must be a number"),
    start=(lambda: callbacks.EarlyStopping(start_from_epoch=-1), "`start_from_epoch` must be a number at least 0"),
    factor=(lambda: callbacks.ReduceLROnPlateau(factor=1.5), "`factor` must be a number at least 0 and below 1"),
    factor_negative=(lambda: callbacks.ReduceLROnPlateau(factor=-0.5), "`factor` must be"),
    factor_nan=(lambda: callbacks.ReduceLROnPlateau(factor=NAN), "`factor` must be"),
    cooldown=(lambda: callbacks.ReduceLROnPlateau(cooldown=-1), "`cooldown` must be a number at least 0"),
    least=(lambda: callbacks.ReduceLROnPlateau(min_lr=-1.0), "`min_lr` must be a number at least 0"),
    schedule=(lambda: callbacks.LearningRateScheduler(0.1), "`schedule` must be callable, such as"),
    functions=(lambda: callbacks.LambdaCallback(on_epoch_end=3), "`on_epoch_end` must be callable"),
)
VALUES.of(
    "layers",
    units=(lambda: layers.Dense(-1), "`units` must be a positive integer"),
    kernel=(lambda: layers.Conv2D(4, 2.5), "`kernel_size` must be a positive int or 2 of them"),
    strides=(lambda: layers.Conv2D(4, 3, strides=0), "`strides` must be a positive int"),
    rate=(lambda: layers.Dropout(NAN), "`rate` must be"),
    noise=(lambda: layers.GaussianNoise(-1.0), "`stddev` must"),
    epsilon=(lambda: layers.BatchNormalization(epsilon=-1.0), "`epsilon` must be a number at least 0"),
    layer_norm=(lambda: layers.LayerNormalization(epsilon=NAN), "`epsilon` must be a number at least 0"),
    group_norm=(lambda: layers.GroupNormalization(epsilon=-1.0), "`epsilon` must be"),
    elu=(lambda: layers.ELU(alpha="a"), "`alpha` must be a number"),
    tokens=(lambda: layers.CategoryEncoding(num_tokens=0), "`num_tokens` must be a whole number at least 1"),
    bins=(lambda: layers.Discretization(bin_boundaries=[2.0, 1.0]), "`bin_boundaries` must be in rising order"),
    variance=(lambda: layers.Normalization(mean=1.0, variance=-1.0), "`variance` must not be negative"),
    size=(lambda: keras.Input((2.5,)), "`shape` must be a tuple of sizes"),
    sizes=(lambda: keras.Input((-1,)), "`shape` must not have negative sizes"),
    activation=(lambda: layers.Activation("rleu"), "Unknown activation: 'rleu'. Did you mean 'relu'"),
    argument=(lambda: layers.Dense(4, use_bais=True), "Unrecognized keyword arguments passed to Dense: use_bais. Did you mean 'use_bias'"),
    index=(lambda: layers.Embedding(5, 2)(np.array([[5]])), "`inputs` of the layer 'embedding.*' must be numbers from 0 to 4"),
    index_negative=(lambda: layers.Embedding(5, 2)(np.array([[-1]])), "`inputs` of the layer .* must be numbers from 0 to 4.*Received: -1"),
    mask=(lambda: layers.LSTM(4)(ONES, mask=np.ones((2, 5), bool)), r"`mask` of the layer 'lstm.*' must have the shape \(batch, steps\)"),
    mask_batch=(lambda: layers.GRU(4)(ONES, mask=np.ones((3, 3), bool)), "`mask` of the layer 'gru"),
    mask_rank=(lambda: layers.SimpleRNN(4)(ONES, mask=np.ones((2,), bool)), "`mask` of the layer 'simple_rnn"),
    state=(lambda: layers.LSTM(4)(ONES, initial_state=[np.ones((2, 5), "float32")] * 2), "`initial_state` of the layer"),
    attention=(lambda: layers.Attention()([ONES, ONES], mask=[None, np.ones((2, 7), bool)]), "`mask` of the layer 'attention"),
    norm_mask=(lambda: layers.BatchNormalization()(ONES, mask=np.ones((2, 9), bool), training=True), "`mask` must have the shape"),
    value=(lambda: layers.MultiHeadAttention(2, 4)(ONES), "`value` of the layer 'multi_head_attention.*' must be a tensor"),
    nothing=(lambda: layers.Dense(3)(None), "`inputs` of the layer 'dense.*' must be a tensor"),
    text=(lambda: layers.Dense(3)("a"), "The input 0 of the layer 'dense.*' must be a tensor"),
    several=(lambda: layers.Dense(3)([X, X]), r"The layer 'dense.*' expects 1 input\(s\)"),
    returns_nothing=(lambda: layer(lambda self, x: None)(keras.Input((4,))), "`call` of the layer 'mine.* must return a tensor"),
    returns_number=(lambda: layer(lambda self, x: 3.0)(keras.Input((4,))), "`call` of the layer 'mine.* must return a tensor"),
    classes=(lambda: keras.utils.to_categorical([0.5, 1]), "`x` must hold class indices, whole numbers"),
)
VALUES.of(
    "models",
    array=(lambda: keras.Model(X), "`inputs` must be symbolic tensors, made by `keras.Input`"),
    arrays=(lambda: keras.Model(keras.Input((3,)), X), "`outputs` must be symbolic tensors"),
    without=(lambda: keras.Model(keras.Input((3,))), "`outputs` must be symbolic tensors"),
    chain=(lambda: keras.Sequential(3), "`layers` must be a list of layers"),
    single=(lambda: keras.Sequential(layers.Dense(3)), "`layers` must be a list of layers"),
    uninstantiated=(lambda: keras.Sequential([layers.Dense]), "`layer` must be a layer"),
    clone=(lambda: keras.models.clone_model(3), "`model` must be a model"),
    nothing=(lambda: subclass(lambda self, x: None).predict(X, verbose=0), "The model must return tensors to predict. Received: None"),
    key=(lambda: two()({"a": X}), "The model 'functional.*' misses the input 'b'"),
    compile_loss=(lambda: model(loss=3), "`loss` must be names, objects or functions. Received: 3"),
    compile_metrics=(lambda: model(metrics=[3]), "`metrics` must be names, objects or functions. Received: 3"),
    compile_name=(lambda: model(metrics=["accuarcy"]), "Unknown metric: 'accuarcy'. Did you mean"),
)


@pytest.mark.parametrize("name", VALUES)
def test_values_that_mean_nothing_are_refused(name):
    use, text = VALUES[name]
    with pytest.raises((ValueError, IndexError), match=text):
        use()


# What `fit` and its kin are given: the model is as it was afterwards.
UP = np.ones((8, 1)), np.ones((8, 2))
RUNS = Table()
RUNS.of(
    "fit",
    before_compile=(keras.Sequential([keras.Input((4,)), layers.Dense(3)]), fit, "must be compiled before `fit`"),
    no_targets=(model, lambda m: fit(m, X, None), "`y` must be given"),
    no_data=(model, lambda m: fit(m, None, Y), "`x` must"),
    samples=(model, lambda m: fit(m, X, Y[:5]), "`x`, `y` and `sample_weight` must hold the same number of samples"),
    empty=(model, lambda m: fit(m, X[:0], Y[:0]), "`x` must hold at least one sample"),
    shape=(model, lambda m: fit(m, X, np.ones((8, 2))), "`y_true` and `y_pred` must have the same shape"),
    inputs=(model, lambda m: fit(m, [X, X]), r"expects 1 input\(s\)"),
    batch_size=(model, lambda m: fit(m, batch_size=-1), "`batch_size` must be a positive integer"),
    epochs=(model, lambda m: fit(m, epochs=1.5), "`epochs` must be an integer"),
    split=(model, lambda m: fit(m, validation_split=1.5), "`validation_split` must be between 0 and 1"),
    split_kind=(model, lambda m: fit(m, validation_split="a"), "`validation_split` must be between 0 and 1"),
    frequency=(model, lambda m: fit(m, validation_data=(X, Y), validation_freq="a"), "`validation_freq` must be"),
    validation=(model, lambda m: fit(m, validation_data=(X, Y[:3])), "must hold the same number of samples"),
    callback=(model, lambda m: fit(m, callbacks=3), "`callbacks` must be a Callback or a list of them"),
    callback_class=(model, lambda m: fit(m, callbacks=[callbacks.EarlyStopping]), "Received: the class EarlyStopping. Make one of it"),
    callback_alone=(model, lambda m: fit(m, callbacks=callbacks.EarlyStopping), "Received: the class EarlyStopping"),
    function=(model, lambda m: fit(m, callbacks=[print]), "`callbacks` must hold Callback objects"),
    rate=(model, lambda m: fit(m, callbacks=[callbacks.LearningRateScheduler(lambda e: NAN)]), "`schedule` must return a finite number"),
    weights_list=(sparse, lambda m: fit(m, y=LABELS, class_weight=[1.0, 2.0, 3.0]), "`class_weight` must be a dict from class indices"),
    weights_text=(sparse, lambda m: fit(m, y=LABELS, class_weight="balanced"), "`class_weight` must be a dict"),
    weights_key=(sparse, lambda m: fit(m, y=LABELS, class_weight={"a": 1.0}), "`class_weight` must have class indices as its keys"),
    weights_value=(sparse, lambda m: fit(m, y=LABELS, class_weight={0: NAN}), r"`class_weight\[0\]` must be a number at least 0"),
    weights_negative=(sparse, lambda m: m.train_on_batch(X, LABELS, class_weight={0: -1.0}), r"`class_weight\[0\]` must be a number"),
    labels=(sparse, lambda m: fit(m, y=LABELS + 0.5), "`y_true` must hold integer labels"),
    labels_beyond=(sparse, lambda m: fit(m, y=LABELS + 5), "`y_true` must hold labels from 0 to 2"),
    key=(two, lambda m: fit(m, {"a": X}, {"u": UP[0], "v": UP[1]}), "misses the input 'b'"),
    target=(two, lambda m: fit(m, {"a": X, "b": UP[1]}, {"u": UP[0]}), "`y` must hold a target for the output 'v'"),
    output=(lambda: model(metrics={"other": "mse"}), fit, "`metrics` names the output 'other', which the model does not have"),
    weight=(lambda: model(loss_weights=NAN), fit, "`loss_weights` must be a number"),
    loss_nothing=(lambda: model(loss=lambda y, p: None), fit, "The loss .* must return a tensor.*Received: None"),
    loss_number=(lambda: model(loss=lambda y, p: 3.0), fit, "The loss of the model .* does not depend on its weights"),
    loss_detached=(lambda: model(loss=lambda y, p: (p - y).detach().mean()), fit, "does not depend on its weights"),
    metric=(lambda: model(metrics=[lambda y, p: None]), fit, "The function of the metric .* must return numbers"),
    call_nothing=(
        lambda: subclass(lambda self, x: None),
        fit,
        "The model must return a tensor for each output.*Received: None",
    ),
    call_text=(lambda: subclass(lambda self, x: "a"), fit, "The model must return a tensor"),
    step_number=(lambda: subclass(lambda self, x: self.dense(x), train_step=lambda self, d: 3.0), fit, "`train_step` must return a dict"),
    step_nothing=(lambda: subclass(lambda self, x: self.dense(x), train_step=lambda self, d: None), fit, "`train_step` must return a dict"),
)


@pytest.mark.parametrize("name", RUNS)
def test_wrong_runs_are_refused_and_leave_the_model_as_it_was(name):
    make, use, text = RUNS[name]
    made = make if isinstance(make, keras.Model) else make()
    before = [torch.as_tensor(w).clone() for w in made.get_weights()]
    with pytest.raises((ValueError, TypeError), match=text):
        use(made)
    if before and "metric" not in name and name != "fit.target":
        assert all(torch.equal(a, torch.as_tensor(b)) for a, b in zip(before, made.get_weights()))
    assert keras.utils.standardize_dtype(made.dtype) == "float32" and not made.training


# What looks odd and has a meaning in Keras, or none that matters: both libraries take it.
TAKEN = {
    "clipnorm=0": lambda k: k.optimizers.SGD(0.1, clipnorm=0.0),
    "epsilon=None": lambda k: k.optimizers.Adam(0.1, epsilon=None),
    "NumPy rate": lambda k: k.optimizers.Adam(np.float64(0.1), beta_1=np.float32(0.5)),
    "lion beta_1=1": lambda k: k.optimizers.Lion(0.1, beta_1=1.0),
    "adamax beta_2=1": lambda k: k.optimizers.Adamax(0.1, beta_2=1.0),
    "factor=0": lambda k: k.callbacks.ReduceLROnPlateau(factor=0.0),
    "patience=1.5": lambda k: k.callbacks.EarlyStopping(patience=1.5),
    "delta<0": lambda k: k.callbacks.EarlyStopping(min_delta=-0.5),
    "reversed uniform": lambda k: k.initializers.RandomUniform(1.0, -1.0)((2, 2)),
    "whole floats as labels": lambda k: k.losses.SparseCategoricalCrossentropy()(np.array([0.0, 2.0]), np.full((2, 3), 1 / 3)),
    "mask with an axis more": lambda k: k.layers.LSTM(4)(ONES, mask=np.ones((2, 3, 1), bool)),
    "norm epsilon=0": lambda k: k.layers.BatchNormalization(epsilon=0.0),
    "equal boundaries": lambda k: k.optimizers.schedules.PiecewiseConstantDecay([1, 1], [0.1, 0.2, 0.3]),
    "threshold of logits": lambda k: k.metrics.BinaryAccuracy(threshold=-2.0),
    "last class": lambda k: k.metrics.Precision(class_id=-1),
    "dropout=1": lambda k: k.layers.Dropout(1.0),
    "one input to add": lambda k: k.layers.Add()([ONES]),
    "unknown class in class_weight": lambda k: taken_weights(k),
}


def taken_weights(k):
    made = k.Sequential([k.Input((4,)), k.layers.Dense(3, activation="softmax")])
    made.compile("sgd", "sparse_categorical_crossentropy")
    made.fit(X, LABELS, class_weight={7: 2.0, np.int64(1): np.float32(0.5)}, verbose=0)


@pytest.mark.parametrize("name", TAKEN)
def test_what_keras_takes_with_right_numbers_is_taken(name):
    TAKEN[name](real)
    TAKEN[name](keras)


def test_a_negative_learning_rate_climbs_and_warns():
    with pytest.warns(UserWarning, match="`learning_rate` is negative: the loss grows"):
        optimizers.SGD(-0.1)


@pytest.mark.parametrize("cls", [callbacks.EarlyStopping, callbacks.ReduceLROnPlateau])
def test_an_unknown_mode_is_auto_with_a_warning_as_in_keras(cls):
    with pytest.warns(UserWarning, match="`mode` of .* must be 'auto', 'min' or 'max'; 'auto' is taken"):
        assert cls(mode="maximum").mode == "auto"


def test_fractions_are_no_labels_on_any_way_through_the_loss():
    fraction = torch.tensor([0.0, 1.5])
    for loss in (losses.SparseCategoricalCrossentropy(ignore_class=0), losses.SparseCategoricalCrossentropy(reduction="none")):
        with pytest.raises(ValueError, match="`y_true` must hold integer labels"):
            loss(fraction, torch.full((2, 3), 1 / 3))
    assert math.isfinite(float(losses.SparseCategoricalCrossentropy()(fraction.trunc(), torch.full((2, 3), 1 / 3))))
