"""Programs about images, in the style of Keras's examples."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import torchkeras as mine

from .common import agree, numbered, numbers

STRIPES = np.zeros((24, 12, 12, 1), "float32")
STRIPES[:12, ::2] = 1  # rows
STRIPES[12:, :, ::2] = 1  # columns
KINDS = np.repeat([0, 1], 12)


@pytest.mark.slow
def test_a_convnet_learns_digits(tmp_path):
    data = load_digits()
    x, y = data.images[..., None].astype("float32") / 16, data.target
    mine.utils.set_random_seed(0)
    layers = mine.layers
    model = mine.Sequential([
        mine.Input((8, 8, 1)), layers.Conv2D(16, 3, activation="relu"), layers.BatchNormalization(),
        layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(), layers.Dropout(0.3),
        layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    best = tmp_path / "best.keras"
    callbacks = [mine.callbacks.ModelCheckpoint(best, save_best_only=True), mine.callbacks.EarlyStopping(patience=3)]
    model.fit(x[:1500], y[:1500], epochs=12, validation_split=0.1, callbacks=callbacks, verbose=0)
    assert mine.models.load_model(best).evaluate(x[1500:], y[1500:], verbose=0)[1] > 0.9


def test_a_residual_net_of_separable_convolutions():
    def program(k):
        x = inputs = k.Input((12, 12, 3))
        for width in (4, 8):
            shortcut = k.layers.Conv2D(width, 1, strides=2, padding="same")(x)
            x = k.layers.ReLU()(k.layers.BatchNormalization()(k.layers.SeparableConv2D(width, 3, padding="same")(x)))
            x = k.layers.add([k.layers.MaxPooling2D(3, strides=2, padding="same")(x), shortcut])
        model = numbered(k.Model(inputs, k.layers.Dense(3)(k.layers.GlobalAveragePooling2D()(x))))
        loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(k.optimizers.RMSprop(1e-3), loss, metrics=[k.metrics.SparseTopKCategoricalAccuracy(2, name="top-2")])
        history = model.fit(numbers(0, 18, 12, 12, 3), np.arange(18) % 3, batch_size=6, epochs=2, shuffle=False, verbose=0).history
        return history, model.predict(numbers(1, 2, 12, 12, 3), verbose=0), len(model.layers), model.count_params()

    agree(program)


def test_a_transformer_over_patches(tmp_path):
    def program(k):
        class Patches(k.layers.Layer):
            def __init__(self, size, **kwargs):
                super().__init__(**kwargs)
                self.size = size

            def call(self, images):
                batch, height, width, channels = k.ops.shape(images)
                count = (height // self.size) * (width // self.size)
                patches = k.ops.image.extract_patches(images, size=self.size)
                return k.ops.reshape(patches, (batch, count, self.size**2 * channels))

            def get_config(self):
                return {**super().get_config(), "size": self.size}

        class Placed(k.layers.Layer):
            def __init__(self, count, width, **kwargs):
                super().__init__(**kwargs)
                self.count, self.width = count, width
                self.project, self.place = k.layers.Dense(width), k.layers.Embedding(count, width)

            def build(self, shape):
                self.project.build(shape)
                self.place.build((1, self.count))

            def call(self, patches):
                return self.project(patches) + self.place(k.ops.expand_dims(k.ops.arange(self.count), 0))

            def get_config(self):
                return {**super().get_config(), "count": self.count, "width": self.width}

        inputs = k.Input((12, 12, 1))
        x = Placed(9, 8)(Patches(4)(k.layers.Rescaling(2.0)(inputs)))
        for _ in range(2):
            h = k.layers.LayerNormalization(epsilon=1e-6)(x)
            x = k.layers.Add()([k.layers.MultiHeadAttention(2, 4)(h, h), x])
            h = k.layers.Dense(8, activation=k.activations.gelu)(k.layers.LayerNormalization(epsilon=1e-6)(x))
            x = x + k.layers.Dropout(0.0)(h)
        model = numbered(k.Model(inputs, k.layers.Dense(2)(k.layers.Flatten()(x))))
        loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(k.optimizers.AdamW(3e-3, weight_decay=1e-4), loss, metrics=["accuracy"])
        history = model.fit(STRIPES, KINDS, batch_size=8, epochs=2, validation_split=0.25, shuffle=False, verbose=0).history
        path = tmp_path / f"{k.__name__}.keras"
        model.save(path)
        loaded = k.models.load_model(path, custom_objects={"Patches": Patches, "Placed": Placed})
        return history, loaded.predict(STRIPES[:2], verbose=0), [w.path for w in model.weights]

    agree(program)


def test_a_segmentation_net_finds_squares():
    draw = np.random.default_rng(0)
    images, masks = draw.normal(size=(32, 16, 16, 1)).astype("float32") * 0.3, np.zeros((32, 16, 16, 1), "uint8")
    for image, mask in zip(images, masks):
        row, column = draw.integers(0, 10, 2)
        mask[row : row + 6, column : column + 6] = 1
        image += mask
    mine.utils.set_random_seed(0)
    layers, inputs = mine.layers, mine.Input((16, 16, 1))
    deep = layers.MaxPooling2D()(fine := layers.Conv2D(8, 3, padding="same", activation="relu")(inputs))
    deep = layers.UpSampling2D()(layers.Conv2D(8, 3, padding="same", activation="relu")(deep))
    joined = layers.Conv2DTranspose(8, 3, padding="same", activation="relu")(layers.Concatenate()([fine, deep]))
    model = mine.Model(inputs, layers.Conv2D(2, 1, activation="softmax")(joined))
    model.compile(
        mine.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=[mine.metrics.SparseCategoricalAccuracy(name="acc")]
    )
    history = model.fit(images, masks, epochs=12, batch_size=8, verbose=0).history
    assert history["acc"][-1] > 0.97
    assert mine.utils.array_to_img(model.predict(images[:1], verbose=0)[0].argmax(-1)[..., None]).size == (16, 16)


def test_two_images_compared_by_one_net():
    def program(k):
        @k.saving.register_keras_serializable("programs")
        def distance(pair):
            gap = k.ops.sum(k.ops.square(pair[0] - pair[1]), axis=1, keepdims=True)
            return k.ops.sqrt(k.ops.maximum(gap, k.backend.epsilon()))

        def contrastive(margin):
            def loss(y, far):
                return k.ops.mean((1 - y) * k.ops.square(far) + y * k.ops.square(k.ops.maximum(margin - far, 0)))

            return loss

        image = k.layers.Input((12, 12, 1))
        h = k.layers.AveragePooling2D(pool_size=(2, 2))(k.layers.Conv2D(4, (3, 3), activation="tanh")(image))
        tower = k.Model(image, k.layers.Dense(6, activation="tanh")(k.layers.Flatten()(h)))
        one, other = k.layers.Input((12, 12, 1)), k.layers.Input((12, 12, 1))
        far = k.layers.Lambda(distance, output_shape=(1,))([tower(one), tower(other)])
        model = numbered(k.Model([one, other], k.layers.Dense(1, activation="sigmoid")(far)))
        model.compile(loss=contrastive(margin=1), optimizer="RMSprop", metrics=["accuracy"])
        pairs, y = [STRIPES, STRIPES[::-1]], (numbers(2, 24) > 0.5).astype("float32")
        history = model.fit(pairs, y, validation_data=(pairs, y), batch_size=8, epochs=2, shuffle=False, verbose=0).history
        return history, model.evaluate(pairs, y, verbose=0), len(tower.trainable_weights)

    agree(program)


def test_a_bag_of_images_with_learned_attention(tmp_path):
    def program(k):
        class Attend(k.layers.Layer):
            def __init__(self, width, regularizer=None, **kwargs):
                super().__init__(**kwargs)
                self.width, self.regularizer = width, k.regularizers.get(regularizer)

            def build(self, shapes):
                size = shapes[0][1]
                self.v = self.add_weight(shape=(size, self.width), name="v", regularizer=self.regularizer)
                self.w = self.add_weight(shape=(self.width, 1), name="w", regularizer=self.regularizer)

            def call(self, items):
                scores = k.ops.stack([k.ops.tensordot(k.ops.tanh(k.ops.tensordot(x, self.v, axes=1)), self.w, axes=1) for x in items])
                shares = k.ops.softmax(scores, axis=0)
                return [shares[i] for i in range(shares.shape[0])]

        shared, inputs = k.layers.Dense(8, activation="relu"), [k.layers.Input((12, 12)) for _ in range(3)]
        items = [shared(k.layers.Flatten()(x)) for x in inputs]
        shares = Attend(5, regularizer=k.regularizers.L2(0.01), name="shares")(items)
        joined = k.layers.concatenate([k.layers.multiply(pair) for pair in zip(shares, items)], axis=1)
        model = numbered(k.Model(inputs, k.layers.Dense(2, activation="softmax")(joined)))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        bags = [np.roll(STRIPES[..., 0], shift, axis=0) for shift in (0, 5, 11)]
        best = k.callbacks.ModelCheckpoint(
            tmp_path / f"{k.__name__}.weights.h5", monitor="val_loss", mode="min", save_best_only=True, save_weights_only=True
        )
        history = model.fit(
            bags, KINDS[:, None], validation_data=(bags, KINDS[:, None]), epochs=2, batch_size=6, class_weight={0: 0.7, 1: 1.9},
            callbacks=[best], shuffle=False, verbose=0,
        ).history  # fmt: skip
        model.load_weights(tmp_path / f"{k.__name__}.weights.h5")
        inner = k.Model(model.input, model.get_layer("shares").output)
        return history, model.predict(bags, verbose=0), inner.predict(bags, verbose=0)

    agree(program)


def test_an_upscaler_takes_images_of_any_size(tmp_path):
    def program(k):
        class Spread(k.layers.Layer):
            def __init__(self, factor, **kwargs):
                super().__init__(**kwargs)
                self.factor = factor

            def call(self, x):
                batch, height, width, channels = k.ops.shape(x)
                f = self.factor
                x = k.ops.reshape(x, [batch, height, width, f, f, channels // f**2])
                return k.ops.reshape(k.ops.transpose(x, [0, 1, 3, 2, 4, 5]), [batch, height * f, width * f, channels // f**2])

        class Ratio(k.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                self.ratios = []

            def on_test_batch_end(self, batch, logs=None):
                self.ratios.append(10 * np.log10(1 / logs["loss"]))

        small, options = k.Input((None, None, 1)), {"padding": "same", "activation": "relu", "kernel_initializer": "orthogonal"}
        model = numbered(k.Model(small, Spread(2)(k.layers.Conv2D(4, 3, **options)(k.layers.Conv2D(6, 5, **options)(small)))))
        model.compile(k.optimizers.Adam(0.001), k.losses.MeanSquaredError())
        x, y, ratio = numbers(0, 4, 6, 8, 1), numbers(1, 4, 12, 16, 1), Ratio()
        history = model.fit(x, y, epochs=2, batch_size=2, validation_data=(x, y), callbacks=[ratio], shuffle=False, verbose=0).history
        return history, ratio.ratios, model.predict(numbers(2, 1, 5, 3, 1), verbose=0), str(model.output_shape)

    agree(program)


def test_fine_tuning_in_two_stages():
    def program(k):
        base = k.Sequential([k.Input((12, 12, 1)), k.layers.Conv2D(4, 3, activation="relu"), k.layers.Conv2D(4, 3)], name="base")
        inputs = k.Input((12, 12, 1))
        head = k.layers.Dense(1, name="head")(k.layers.GlobalMaxPooling2D()(base(inputs, training=False)))
        model = numbered(k.Model(inputs, head))
        before, results = [w.numpy() for w in base.weights], []
        base.trainable = False
        for rate, frozen in ((0.1, True), (0.01, False)):
            base.trainable = not frozen
            loss, metric = k.losses.BinaryCrossentropy(from_logits=True), k.metrics.BinaryAccuracy()
            model.compile(k.optimizers.SGD(rate, momentum=0.9), loss, metrics=[metric])
            results.append(model.fit(STRIPES, KINDS, batch_size=8, epochs=2, shuffle=False, verbose=0).history)
            results.append([bool(np.allclose(w.numpy(), old)) for w, old in zip(base.weights, before)])
            results.append([len(model.trainable_weights), len(model.non_trainable_weights)])
        return results

    agree(program)


def test_a_frozen_part_in_inference_keeps_its_statistics():
    base = mine.Sequential([mine.Input((12, 12, 1)), mine.layers.Conv2D(4, 3), mine.layers.BatchNormalization()])
    inputs = mine.Input((12, 12, 1))
    model = mine.Model(inputs, mine.layers.Dense(1)(mine.layers.GlobalMaxPooling2D()(base(inputs, training=False))))
    before = base.layers[-1].moving_mean.numpy()
    model.compile("sgd", "mse")
    model.fit(STRIPES, KINDS, verbose=0)
    np.testing.assert_array_equal(base.layers[-1].moving_mean.numpy(), before)


def test_a_heat_map_of_what_a_convnet_looks_at():
    def program(k):
        image = k.Input((12, 12, 1))
        h = k.layers.Conv2D(4, 3, activation="relu", name="last_conv")(image)
        model = numbered(k.Model(image, k.layers.Dense(2, activation="softmax")(k.layers.GlobalAveragePooling2D()(h))))
        model.layers[-1].activation = None
        inside = k.Model(model.input, [model.get_layer("last_conv").output, model.output])
        features, scores = inside(STRIPES[:1])
        (grads,) = torch.autograd.grad(scores[:, 1].sum(), [features])
        heat = k.ops.squeeze(features[0] @ k.ops.mean(grads, axis=(0, 1, 2))[..., None])
        return k.ops.maximum(heat, 0), scores

    agree(program)
