"""Programs about tables, series and graphs."""

import numpy as np
import pytest

import torchkeras as mine

from .common import agree, numbered, numbers


def test_wide_deep_and_crossed_features():
    def program(k):
        inputs = {name: k.layers.Input(name=name, shape=(), dtype="float32") for name in "abc"}
        features = k.layers.concatenate([k.ops.expand_dims(x, -1) for x in inputs.values()])
        cross = features
        for _ in range(2):
            cross = features * k.layers.Dense(3)(cross) + cross
        deep = k.layers.ReLU()(k.layers.BatchNormalization()(k.layers.Dense(8)(features)))
        joined = k.layers.concatenate([k.layers.BatchNormalization()(cross), k.layers.Dropout(0.0)(deep)])
        model = numbered(k.Model(inputs, k.layers.Dense(3, activation="softmax")(joined)))
        model.compile(k.optimizers.Adam(0.01), k.losses.SparseCategoricalCrossentropy(), metrics=[k.metrics.SparseCategoricalAccuracy()])
        data = {name: numbers(i, 24) for i, name in enumerate("abc")}
        history = model.fit(data, np.arange(24) % 3, batch_size=8, epochs=2, shuffle=False, verbose=0).history
        return history, model.predict(data, verbose=0)

    agree(program)


def test_tastes_by_two_tables():
    def program(k):
        class Tastes(k.Model):
            def __init__(self, people, things, **kwargs):
                super().__init__(**kwargs)
                l2 = k.regularizers.l2(1e-3)
                self.people = k.layers.Embedding(people, 4, embeddings_initializer="he_normal", embeddings_regularizer=l2)
                self.things = k.layers.Embedding(things, 4, embeddings_regularizer=l2)
                self.bias = k.layers.Embedding(things, 1)

            def call(self, pairs):
                likes = k.ops.sum(self.people(pairs[:, 0]) * self.things(pairs[:, 1]), axis=1, keepdims=True)
                return k.ops.nn.sigmoid(likes + self.bias(pairs[:, 1]))

        pairs = np.stack([np.arange(30) % 5, np.arange(30) % 7], 1)
        model = Tastes(5, 7)
        model(pairs[:1])
        numbered(model).compile(k.optimizers.Adam(0.05), k.losses.BinaryCrossentropy())
        likes = (pairs.sum(1) % 3 == 0).astype("float32")
        history = model.fit(pairs, likes, batch_size=10, epochs=3, validation_data=(pairs, likes), shuffle=False, verbose=0).history
        return history, model.predict(pairs[:4], verbose=0).flatten().argsort()[::-1], len(model.losses)

    agree(program)


def test_gates_choose_among_features():
    def program(k):
        class Gated(k.layers.Layer):
            def __init__(self, units):
                super().__init__()
                self.units, self.hidden, self.linear = units, k.layers.Dense(units, activation="elu"), k.layers.Dense(units)
                self.gate, self.norm, self.project = k.layers.Dense(units, activation="sigmoid"), k.layers.LayerNormalization(), None

            def build(self, shape):
                for layer, size in ((self.hidden, shape[-1]), (self.linear, self.units), (self.gate, self.units), (self.norm, self.units)):
                    layer.build((None, size))
                if shape[-1] != self.units:
                    self.project = k.layers.Dense(self.units)
                    self.project.build(shape)

            def call(self, x):
                h = self.hidden(x)
                return self.norm((x if self.project is None else self.project(x)) + self.linear(h) * self.gate(h))

        inputs = {f"f{i}": k.Input((1,), name=f"f{i}") for i in range(3)}
        encoded = [k.layers.Dense(4)(x) for x in inputs.values()]
        shares = k.ops.expand_dims(k.layers.Dense(3, activation="softmax")(Gated(4)(k.layers.concatenate(encoded))), 1)
        stacked = k.ops.stack([Gated(4)(x) for x in encoded], axis=1)
        chosen = k.ops.squeeze(k.ops.matmul(shares, stacked), axis=1)
        model = numbered(k.Model(inputs, k.layers.Dense(1, activation="sigmoid")(chosen)))
        model.compile(k.optimizers.Adam(0.01), "binary_crossentropy", metrics=[k.metrics.AUC(name="auc")])
        data = {name: numbers(i, 20, 1) for i, name in enumerate(inputs)}
        return model.fit(data, np.arange(20) % 2, batch_size=5, epochs=2, shuffle=False, verbose=0).history, len(model.weights)

    agree(program)


def test_a_forest_of_soft_trees():
    def program(k):
        class Tree(k.Model):
            def __init__(self, depth, features, classes):
                super().__init__()
                self.depth, self.leaves = depth, 2**depth
                self.used = k.ops.convert_to_tensor(np.eye(features, dtype="float32")[: features // 2])
                self.votes = self.add_weight(shape=[self.leaves, classes], initializer="random_normal")
                self.decide = k.layers.Dense(self.leaves, activation="sigmoid", name="decide")

            def call(self, x):
                batch = k.ops.shape(x)[0]
                right = k.ops.expand_dims(self.decide(k.ops.matmul(x, k.ops.transpose(self.used))), 2)
                both, share, first = k.layers.concatenate([right, 1 - right], axis=2), k.ops.ones([batch, 1, 1]), 1
                for level in range(self.depth):
                    share = k.ops.tile(k.ops.reshape(share, [batch, -1, 1]), (1, 1, 2)) * both[:, first : first + 2**level, :]
                    first += 2**level
                return k.ops.matmul(k.ops.reshape(share, [batch, self.leaves]), k.activations.softmax(self.votes))

        class Forest(k.Model):
            def __init__(self, count, *settings):
                super().__init__()
                self.trees = [Tree(*settings) for _ in range(count)]

            def call(self, x):
                return sum(tree(x) for tree in self.trees) / len(self.trees)

        inputs = k.Input((6,))
        model = numbered(k.Model(inputs, Forest(2, 2, 6, 2)(inputs)))
        model.compile(k.optimizers.Adam(0.05), k.losses.SparseCategoricalCrossentropy())
        history = model.fit(numbers(0, 20, 6), np.arange(20) % 2, batch_size=5, epochs=2, shuffle=False, verbose=0).history
        return history, len(model.trainable_weights), model.predict(numbers(1, 2, 6), verbose=0)

    agree(program)


def test_rare_cases_weigh_more():
    def program(k):
        x, y = numbers(0, 60, 5), (numbers(1, 60, 1) > 0.8).astype("uint8")
        model = k.Sequential([k.Input((5,)), k.layers.Dense(8, activation="relu"), k.layers.Dense(1, activation="sigmoid")])
        metrics = [k.metrics.Precision(name="precision"), k.metrics.Recall(name="recall"), k.metrics.BinaryAccuracy(name="acc")]
        numbered(model).compile(k.optimizers.SGD(0.5), "binary_crossentropy", metrics=metrics)
        rare = {0: 1 / int((y == 0).sum()), 1: 1 / int(y.sum())}
        history = model.fit(x, y, batch_size=20, epochs=3, validation_data=(x, y), class_weight=rare, shuffle=False, verbose=0).history
        return history, model.evaluate(x, y, verbose=0, return_dict=True)

    agree(program)


def test_odd_series_are_rebuilt_badly():
    def program(k):
        x = np.sin(numbers(0, 20, 1, 1) * 6 + np.arange(16)[:, None] / 3).astype("float32")
        options = {"kernel_size": 5, "padding": "same", "strides": 2, "activation": "relu"}
        model = k.Sequential([
            k.layers.Input((16, 1)), k.layers.Conv1D(8, **options), k.layers.Dropout(0.0), k.layers.Conv1D(4, **options),
            k.layers.Conv1DTranspose(4, **options), k.layers.Conv1DTranspose(8, **options),
            k.layers.Conv1DTranspose(1, kernel_size=5, padding="same"),
        ])  # fmt: skip
        numbered(model).compile(k.optimizers.Adam(0.01), "mse")
        stop = k.callbacks.EarlyStopping(monitor="val_loss", patience=5, mode="min")
        history = model.fit(x, x, epochs=3, batch_size=8, validation_split=0.2, callbacks=[stop], shuffle=False, verbose=0).history
        return history, np.mean(np.abs(model.predict(x, verbose=0) - x), axis=1)

    agree(program)


def test_forecasts_by_a_graph_of_places():
    def program(k):
        class Neighbours(k.layers.Layer):
            def __init__(self, edges, nodes, units, **kwargs):
                super().__init__(**kwargs)
                self.edges, self.nodes = edges, nodes
                self.weight = self.add_weight(shape=(1, units), initializer="glorot_uniform", name="weight")

            def call(self, x):
                received = k.ops.segment_sum(k.ops.take(x, self.edges[1], axis=0), self.edges[0], num_segments=self.nodes)
                joined = [k.ops.matmul(x, self.weight), k.ops.matmul(received, self.weight)]
                return k.ops.relu(k.ops.concatenate(joined, axis=-1))

        class Forecast(k.layers.Layer):
            def __init__(self, edges, nodes, **kwargs):
                super().__init__(**kwargs)
                self.graph, self.lstm, self.out = Neighbours(edges, nodes, 3), k.layers.LSTM(4), k.layers.Dense(2)

            def call(self, x):
                h = self.graph(k.ops.transpose(x, [2, 0, 1, 3]))
                nodes, batch, steps, width = k.ops.shape(h)
                h = self.out(self.lstm(k.ops.reshape(h, (batch * nodes, steps, width))))
                return k.ops.transpose(k.ops.reshape(h, (nodes, batch, 2)), [1, 2, 0])

        inputs = k.layers.Input((5, 3, 1))
        model = k.models.Model(inputs, Forecast([np.array([0, 1, 2, 2]), np.array([1, 2, 0, 1])], 3)(inputs))
        numbered(model).compile(k.optimizers.RMSprop(0.01), k.losses.MeanSquaredError())
        return model.fit(numbers(0, 8, 5, 3, 1), numbers(1, 8, 2, 3), batch_size=4, epochs=2, shuffle=False, verbose=0).history

    agree(program)


@pytest.mark.slow
def test_a_forecast_of_a_noisy_series():
    series = (np.sin(np.arange(400) / 6) + np.random.default_rng(0).normal(size=400) * 0.05).astype("float32")[:, None]
    normalize = mine.layers.Normalization()
    normalize.adapt(series[:300])
    windows = [
        mine.preprocessing.sequence.TimeseriesGenerator(part, part[:, 0], length=12, batch_size=32) for part in (series[:300], series[300:])
    ]
    mine.utils.set_random_seed(0)
    model = mine.Sequential([mine.Input((12, 1)), normalize, mine.layers.LSTM(16), mine.layers.Dense(1)])
    model.compile(mine.optimizers.Adam(0.01), "mse")
    plateau = mine.callbacks.ReduceLROnPlateau(factor=0.5, patience=2)
    history = model.fit(windows[0], epochs=25, validation_data=windows[1], callbacks=[plateau], verbose=0).history
    assert history["val_loss"][-1] < 0.03 and history["learning_rate"][-1] <= 0.01
