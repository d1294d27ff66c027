"""Programs with loops and rules of their own: reinforcement, meta-learning, distillation, schedules and data sets."""

import numpy as np
import torch

import torchkeras as mine

from .common import agree, apply_gradients, numbered, numbers


def corridor(state: int, action: int) -> tuple[int, float, bool]:
    """A row of six places: the action 1 goes right; the last place pays and ends."""
    state = max(state - 1, 0) if action == 0 else state + 1
    return state, float(state == 5), state == 5


def test_q_learning_with_a_replay_buffer_finds_the_way():
    mine.utils.set_random_seed(0)
    draw = np.random.default_rng(0)
    model, target = (mine.Sequential([mine.Input((6,)), mine.layers.Dense(24, activation="relu"), mine.layers.Dense(2)]) for _ in range(2))
    target.set_weights(model.get_weights())
    optimizer, huber, memory = mine.optimizers.Adam(0.01, clipnorm=1.0), mine.losses.Huber(), []
    places = np.eye(6, dtype="float32")
    for episode in range(50):
        state, done, steps = 0, False, 0
        while not done and steps < 30:
            greedy = int(mine.ops.argmax(model(places[None, state], training=False)[0]))
            action = int(draw.integers(2)) if draw.random() < max(0.3, 1 - episode / 30) else greedy
            following, reward, done = corridor(state, action)
            memory.append((state, action, reward, following, done))
            state, steps = following, steps + 1
        for _ in range(6):
            rows = [memory[i] for i in draw.integers(0, len(memory), 32)]
            states, actions, rewards, nexts, ends = (np.array(column) for column in zip(*rows))
            future = target.predict(places[np.minimum(nexts, 5)], verbose=0).max(1)
            wanted = torch.as_tensor((rewards + 0.9 * future * ~ends).astype("float32"))
            values = mine.ops.sum(model(places[states]) * mine.ops.one_hot(actions, 2), axis=1)
            apply_gradients(optimizer, huber(wanted, values), model)
        if episode % 3 == 0:
            target.set_weights(model.get_weights())
    assert (model.predict(places[:5], verbose=0).argmax(1) == 1).all()


def test_an_actor_and_its_critic():
    def program(k):
        observed = k.layers.Input((6,))
        common = k.layers.Dense(8, activation="relu")(observed)
        heads = [k.layers.Dense(2, activation="softmax")(common), k.layers.Dense(1)(common)]
        model, optimizer, huber = numbered(k.Model(observed, heads)), k.optimizers.Adam(0.01), k.losses.Huber()
        results = []
        for episode in range(3):
            state, logs, values, rewards = 0, [], [], []
            for step in range(6):
                shares, value = model(k.ops.expand_dims(k.ops.convert_to_tensor(np.eye(6, dtype="float32")[state]), 0))
                action = (step + episode) % 2
                logs.append(k.ops.log(shares[0, action]))
                values.append(value[0, 0])
                state, reward, _ = corridor(state, action)
                rewards.append(reward + 0.1 * action)
            returns = np.cumsum(np.array(rewards)[::-1] * 0.9 ** np.arange(6))[::-1].astype("float32")
            returns = (returns - returns.mean()) / (returns.std() + 1e-6)
            actor = [-log * (float(back) - float(value.detach())) for log, value, back in zip(logs, values, returns)]
            critic = [huber(k.ops.expand_dims(value, 0), np.array([back], "float32")) for value, back in zip(values, returns)]
            loss = sum(actor) + sum(critic)
            apply_gradients(optimizer, loss, model)
            results.append(float(loss.detach()))
        return results, model.get_weights()

    agree(program)


def test_weights_half_way_between_two_tasks():
    def program(k):
        inputs = k.layers.Input((8, 8, 1))
        h = k.layers.ReLU()(k.layers.BatchNormalization()(k.layers.Conv2D(4, 3, strides=2, padding="same")(inputs)))
        model = numbered(k.Model(inputs, k.layers.Dense(3, activation="softmax")(k.layers.Flatten()(h))))
        model.compile()
        optimizer = k.optimizers.SGD(0.05)
        for task in range(3):
            old = model.get_weights()
            for _ in range(2):
                scores = model(numbers(task, 6, 8, 8, 1))
                apply_gradients(optimizer, k.ops.mean(k.losses.sparse_categorical_crossentropy(np.arange(6) % 3, scores)), model)
            model.set_weights([was + (now - was) * 0.5 for was, now in zip(old, model.get_weights())])
        return model.get_weights(), model.predict(numbers(9, 2, 8, 8, 1), verbose=0)

    agree(program)


def test_a_small_net_learns_from_a_large_one():
    def program(k):
        class Distil(k.Model):
            def __init__(self, student, teacher):
                super().__init__()
                self.student, self.teacher = student, teacher

            def compile(self, optimizer, metrics, own_loss, soft_loss, alpha, temperature):
                super().compile(optimizer=optimizer, metrics=metrics)
                self.own_loss, self.soft_loss, self.alpha, self.temperature = own_loss, soft_loss, alpha, temperature

            def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, allow_empty=False):
                soft = [k.ops.softmax(scores / self.temperature, axis=1) for scores in (self.teacher(x, training=False), y_pred)]
                return self.alpha * self.own_loss(y, y_pred) + (1 - self.alpha) * self.soft_loss(*soft) * self.temperature**2

            def call(self, x):
                return self.student(x)

        def net(width):
            return k.Sequential([k.Input((6,)), k.layers.Dense(width, activation="relu"), k.layers.Dense(3)])

        teacher, student = numbered(net(16), 1), numbered(net(4), 2)
        model = Distil(student, teacher)
        model.compile(
            k.optimizers.Adam(0.01), [k.metrics.SparseCategoricalAccuracy()], k.losses.SparseCategoricalCrossentropy(from_logits=True),
            k.losses.KLDivergence(), alpha=0.1, temperature=4,
        )  # fmt: skip
        x, y = numbers(0, 18, 6), np.arange(18) % 3
        history = model.fit(x, y, batch_size=6, epochs=2, shuffle=False, verbose=0).history
        return history, model.evaluate(x, y, verbose=0), student.get_weights()

    agree(program)


def test_an_end_point_that_holds_the_loss():
    def program(k):
        class EndPoint(k.layers.Layer):
            def __init__(self, name=None):
                super().__init__(name=name)
                self.loss_fn = k.losses.BinaryCrossentropy(from_logits=True)

            def call(self, logits, targets=None, weights=None):
                if targets is not None:
                    self.add_loss(self.loss_fn(targets, logits, weights))
                return k.ops.sigmoid(logits)

        inputs, targets = k.Input((4,), name="inputs"), k.Input((1,), name="targets")
        logits = k.layers.Dense(1)(inputs)
        model = numbered(k.Model({"inputs": inputs, "targets": targets}, EndPoint(name="end")(logits, targets)))
        model.compile(k.optimizers.Adam(0.05))
        data = {"inputs": numbers(0, 12, 4), "targets": (numbers(1, 12, 1) > 0.5).astype("float32")}
        history = model.fit(data, epochs=3, batch_size=4, shuffle=False, verbose=0).history
        return history, k.Model(inputs, k.ops.sigmoid(logits)).predict(data["inputs"], verbose=0)

    agree(program)


def test_a_step_that_uses_weights_of_samples():
    def program(k):
        class Weighted(k.Model):
            def train_step(self, data):
                x, y, weight = data if len(data) == 3 else (*data, None)
                y_pred = self(x, training=True)
                loss = self.compute_loss(y=y, y_pred=y_pred, sample_weight=weight)
                apply_gradients(self.optimizer, loss, self)
                for metric in self.metrics:
                    if metric.name == "loss":
                        metric.update_state(loss)
                    else:
                        metric.update_state(y, y_pred, sample_weight=weight)
                return {metric.name: metric.result() for metric in self.metrics}

        inputs = k.Input((5,))
        model = numbered(Weighted(inputs, k.layers.Dense(1)(inputs)))
        model.compile("adam", "mse", weighted_metrics=["mae"])
        x, y, weight = numbers(0, 12, 5), numbers(1, 12, 1), numbers(2, 12, 1)
        return [model.fit(x, y, sample_weight=given, epochs=2, batch_size=4, shuffle=False, verbose=0).history for given in (weight, None)]

    agree(program)


def test_a_schedule_of_ones_own_goes_into_the_file(tmp_path):
    def program(k):
        @k.saving.register_keras_serializable("programs")
        class Warm(k.optimizers.schedules.LearningRateSchedule):
            def __init__(self, peak, steps):
                self.peak, self.steps = peak, steps

            def __call__(self, step):
                done = k.ops.cast(step, "float32")
                return self.peak * k.ops.minimum(done / self.steps, k.ops.cos(k.ops.minimum(done / 50, 1.5)))

            def get_config(self):
                return {"peak": self.peak, "steps": self.steps}

        model = numbered(k.Sequential([k.Input((3,)), k.layers.Dense(2)]))
        model.compile(k.optimizers.SGD(Warm(0.2, 4), momentum=0.5), "mse")
        x, y, rates = numbers(0, 12, 3), numbers(1, 12, 2), []
        note = k.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: rates.append(float(model.optimizer.learning_rate)))
        history = [model.fit(x, y, batch_size=4, epochs=2, callbacks=[note], shuffle=False, verbose=0).history]
        path = tmp_path / f"{k.__name__}.keras"
        model.save(path)
        loaded = k.models.load_model(path)
        history.append(loaded.fit(x, y, batch_size=4, epochs=1, shuffle=False, verbose=0).history)
        return history, rates, loaded.get_weights(), int(loaded.optimizer.iterations)

    agree(program)


def test_a_data_set_that_changes_between_epochs():
    class Rolling(mine.utils.PyDataset):
        def __init__(self, x, y, size, **kwargs):
            super().__init__(**kwargs)
            self.x, self.y, self.size, self.epochs, self.given = x, y, size, 0, []

        def __len__(self):
            return -(-len(self.x) // self.size)

        def __getitem__(self, index):
            rows = np.roll(np.arange(len(self.x)), self.epochs)[index * self.size : (index + 1) * self.size]
            self.given.append(rows.tolist())
            return {"x": self.x[rows], "scale": self.x[rows, :1]}, self.y[rows]

        def on_epoch_end(self):
            self.epochs += 1

    x, scale = mine.Input((3,), name="x"), mine.Input((1,), name="scale")
    model = numbered(mine.Model({"x": x, "scale": scale}, mine.layers.Dense(1)(x) * scale))
    model.compile("sgd", "mae", metrics=[mine.metrics.MeanSquaredError(name="mse")])
    data = Rolling(numbers(0, 10, 3), numbers(1, 10, 1), 4)
    assert len(model.fit(data, epochs=3, shuffle=False, verbose=0).history["mse"]) == 3
    assert [part[0] for part in data.given] == [0, 4, 8, 9, 3, 7, 8, 2, 6]
    whole = {"x": data.x, "scale": data.x[:, :1]}
    np.testing.assert_allclose(model.evaluate(data, verbose=0), model.evaluate(whole, data.y, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(model.predict(data, verbose=0), np.roll(model.predict(whole, verbose=0), 4, axis=0), rtol=1e-5)


def test_what_is_likely_by_a_mixture():
    def program(k):
        def likelihood(parts):
            def loss(y, outputs):
                shares, means, widths = k.ops.split(outputs, 3, axis=1)
                shares, widths = k.ops.log_softmax(shares, axis=1), k.ops.softplus(widths) + 1e-3
                logs = shares - 0.5 * k.ops.square((y - means) / widths) - k.ops.log(widths)
                return -k.ops.logsumexp(logs, axis=1)

            return loss

        model = k.Sequential([k.Input((1,)), k.layers.Dense(8, activation="tanh"), k.layers.Dense(9)])
        numbered(model).compile(k.optimizers.Adam(0.02), likelihood(3))
        x = numbers(0, 30, 1)
        return model.fit(x, np.sin(6 * x), batch_size=10, epochs=3, shuffle=False, verbose=0).history

    agree(program)


def test_chances_by_dropout_at_prediction():
    mine.utils.set_random_seed(1)
    inputs = mine.Input((4,))
    model = mine.Model(inputs, mine.layers.Dense(1)(mine.layers.Dropout(0.5)(mine.layers.Dense(32, activation="relu")(inputs))))
    x = numbers(0, 3, 4)
    draws = np.stack([model(x, training=True).detach().numpy() for _ in range(200)])
    assert (draws.std(0) > 0.01).all()
    np.testing.assert_allclose(draws.mean(0), model(x).detach().numpy(), atol=0.15)
    np.testing.assert_array_equal(model.predict(x, verbose=0), model.predict(x, verbose=0))
