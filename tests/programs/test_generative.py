"""Programs that make data: training steps of one's own with several models, optimizers and losses."""

import numpy as np
import torch

import torchkeras as mine

from .common import agree, apply_gradients, numbered, numbers

RINGS = np.stack([np.cos(angle := np.arange(48)), np.sin(angle)], 1).astype("float32")


def test_a_variational_autoencoder():
    def program(k):
        class Sample(k.layers.Layer):
            def __init__(self, **kwargs):
                super().__init__(**kwargs)
                self.seed_generator = k.random.SeedGenerator(1337)

            def call(self, moments):
                mean, log_var = moments
                noise = k.random.normal(k.ops.shape(mean), seed=self.seed_generator)
                return mean + k.ops.exp(0.5 * log_var) * k.ops.sign(noise) ** 2  # the same in both libraries

        class Autoencoder(k.Model):
            def __init__(self, encoder, decoder, **kwargs):
                super().__init__(**kwargs)
                self.encoder, self.decoder = encoder, decoder
                self.total, self.kl = k.metrics.Mean(name="total"), k.metrics.Mean(name="kl")
                self.built = True

            @property
            def metrics(self):
                return [self.total, self.kl]

            def train_step(self, data):
                data = data[0] if isinstance(data, tuple) else data
                mean, log_var, code = self.encoder(data)
                rebuilt = self.decoder(code)
                error = k.ops.mean(k.ops.sum(k.losses.binary_crossentropy(data, rebuilt), axis=(1, 2)))
                kl = k.ops.mean(k.ops.sum(-0.5 * (1 + log_var - k.ops.square(mean) - k.ops.exp(log_var)), axis=1))
                apply_gradients(self.optimizer, error + kl, self)
                self.total.update_state(error + kl)
                self.kl.update_state(kl)
                return {metric.name: metric.result() for metric in self.metrics}

        image = k.Input((8, 8, 1))
        h = k.layers.Flatten()(k.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(image))
        mean, log_var = k.layers.Dense(2, name="mean")(h), k.layers.Dense(2, name="log_var")(h)
        encoder = numbered(k.Model(image, [mean, log_var, Sample()([mean, log_var])], name="encoder"))
        code = k.Input((2,))
        h = k.layers.Reshape((4, 4, 4))(k.layers.Dense(64, activation="relu")(code))
        output = k.layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid")(h)
        decoder = numbered(k.Model(code, output, name="decoder"))
        model = Autoencoder(encoder, decoder)
        model.compile(optimizer=k.optimizers.Adam(0.01))
        history = model.fit(numbers(0, 12, 8, 8, 1), epochs=3, batch_size=4, shuffle=False, verbose=0).history
        return history, decoder.predict(np.array([[0.1, -0.2]]), verbose=0), encoder.predict(numbers(1, 2, 8, 8, 1), verbose=0)[0]

    agree(program)


def test_a_gan_with_a_gradient_penalty():
    def program(k):
        class Gan(k.Model):
            def __init__(self, critic, generator, steps):
                super().__init__()
                self.critic, self.generator, self.steps = critic, generator, steps
                self.built = True

            def compile(self, critic_optimizer, generator_optimizer):
                super().compile()
                self.critic_optimizer, self.generator_optimizer = critic_optimizer, generator_optimizer

            def train_step(self, real):
                real = real[0] if isinstance(real, tuple) else real
                for i in range(self.steps):
                    fake = self.generator(k.ops.ones((real.shape[0], 3)) * (i + 1), training=True)
                    between = (real + 0.3 * (fake - real)).detach().requires_grad_(True)
                    (slope,) = torch.autograd.grad(self.critic(between).sum(), [between], create_graph=True)
                    penalty = k.ops.mean((k.ops.sqrt(k.ops.sum(k.ops.square(slope), axis=1)) - 1) ** 2)
                    critic_loss = k.ops.mean(self.critic(fake.detach())) - k.ops.mean(self.critic(real)) + 10 * penalty
                    apply_gradients(self.critic_optimizer, critic_loss, self.critic)
                loss = -k.ops.mean(self.critic(self.generator(k.ops.ones((real.shape[0], 3)), training=True)))
                apply_gradients(self.generator_optimizer, loss, self.generator)
                return {"critic": critic_loss, "generator": loss}

        critic = k.Sequential([k.Input((2,)), k.layers.Dense(8), k.layers.LeakyReLU(0.2), k.layers.Dense(1)])
        generator = k.Sequential([k.Input((3,)), k.layers.Dense(8, activation="tanh"), k.layers.Dense(2)])
        gan = Gan(numbered(critic), numbered(generator, 1), steps=2)
        gan.compile(k.optimizers.Adam(0.01, beta_1=0.5, beta_2=0.9), k.optimizers.SGD(0.01))
        return gan.fit(RINGS, batch_size=16, epochs=2, shuffle=False, verbose=0).history, generator.get_weights(), critic.get_weights()

    agree(program)


def test_codes_from_a_learned_table():
    def program(k):
        class Quantize(k.layers.Layer):
            def __init__(self, count, width, **kwargs):
                super().__init__(**kwargs)
                self.count, self.width = count, width
                self.table = self.add_weight(shape=(width, count), initializer="random_uniform", name="table")

            def nearest(self, flat):
                far = k.ops.sum(flat**2, axis=1, keepdims=True) + k.ops.sum(self.table**2, axis=0) - 2 * k.ops.matmul(flat, self.table)
                return k.ops.argmin(far, axis=1)

            def call(self, x):
                chosen = k.ops.one_hot(self.nearest(k.ops.reshape(x, [-1, self.width])), self.count)
                quantized = k.ops.reshape(k.ops.matmul(chosen, k.ops.transpose(self.table)), k.ops.shape(x))
                self.add_loss(0.25 * k.ops.mean((k.ops.stop_gradient(quantized) - x) ** 2))
                self.add_loss(k.ops.mean((quantized - k.ops.stop_gradient(x)) ** 2))
                return x + k.ops.stop_gradient(quantized - x)

        inputs = k.Input((8,))
        quantizer = Quantize(6, 4, name="quantizer")
        model = numbered(k.Model(inputs, k.layers.Dense(8)(quantizer(k.layers.Dense(4)(inputs)))))
        model.compile(k.optimizers.Adam(0.01), "mse")
        x = numbers(0, 16, 8)
        history = model.fit(x, x, batch_size=4, epochs=2, shuffle=False, verbose=0).history
        model(x)
        return history, quantizer.nearest(k.ops.convert_to_tensor(numbers(1, 5, 4))), [len(model.losses), sum(model.losses)]

    agree(program)


def test_a_diffusion_model_learns_to_remove_noise():
    class Diffusion(mine.Model):
        def __init__(self):
            super().__init__()
            self.normalizer = mine.layers.Normalization()
            x, level = mine.Input((2,)), mine.Input((1,))
            h = mine.layers.Dense(32, activation="swish")(mine.layers.Concatenate()([x, level]))
            self.network = mine.Model([x, level], mine.layers.Dense(2)(mine.layers.Dense(32, activation="swish")(h)))
            self.average = mine.models.clone_model(self.network)
            self.tracker = mine.metrics.Mean(name="noise_loss")

        @property
        def metrics(self):
            return [self.tracker]

        def step(self, data, network, training):
            data = self.normalizer(data[0] if isinstance(data, tuple) else data)
            angle = mine.random.uniform((mine.ops.shape(data)[0], 1)) * 1.5
            noise = mine.random.normal(mine.ops.shape(data))
            return self.loss(noise, network([mine.ops.cos(angle) * data + mine.ops.sin(angle) * noise, angle], training=training))

        def train_step(self, data):
            loss = self.step(data, self.network, True)
            apply_gradients(self.optimizer, loss, self.network)
            for weight, average in zip(self.network.weights, self.average.weights):
                average.assign(0.9 * average + 0.1 * weight)
            self.tracker.update_state(loss)
            return {"noise_loss": self.tracker.result()}

        def test_step(self, data):
            self.tracker.update_state(self.step(data, self.average, False))
            return {"noise_loss": self.tracker.result()}

    mine.utils.set_random_seed(0)
    model, data = Diffusion(), np.tile(RINGS, (8, 1)) * 3 + 5
    model.normalizer.adapt(data)
    model.compile(mine.optimizers.AdamW(5e-3, weight_decay=1e-4), mine.losses.MeanAbsoluteError())
    history = model.fit(data, epochs=10, batch_size=32, validation_data=(data,), verbose=0).history
    assert sorted(history) == ["noise_loss", "val_noise_loss"]
    assert history["noise_loss"][-1] < 0.9 * history["noise_loss"][0] and history["val_noise_loss"][-1] < 0.75


def test_a_flow_of_coupled_layers():
    def program(k):
        def coupling():
            x, l2 = k.Input((2,)), k.regularizers.l2(0.01)
            shift = k.layers.Dense(2, kernel_regularizer=l2)(k.layers.Dense(8, activation="relu", kernel_regularizer=l2)(x))
            scale = k.layers.Dense(2, activation="tanh")(k.layers.Dense(8, activation="relu")(x))
            return k.Model(x, [scale, shift])

        class Flow(k.Model):
            def __init__(self, depth):
                super().__init__()
                self.parts = [coupling() for _ in range(depth)]
                self.masks = k.ops.convert_to_tensor(np.array([[0, 1], [1, 0]] * (depth // 2), "float32"))
                self.tracker = k.metrics.Mean(name="loss")

            @property
            def metrics(self):
                return [self.tracker]

            def call(self, x):
                volume = 0
                for mask, part in zip(self.masks, self.parts):
                    scale, shift = part(x * mask)
                    scale, shift = scale * (1 - mask), shift * (1 - mask)
                    x = (1 - mask) * (x * k.ops.exp(-scale) - shift * k.ops.exp(-scale)) + x * mask
                    volume = volume - k.ops.sum(scale, axis=1)
                return x, volume

            def log_loss(self, data):
                y, volume = self(data[0] if isinstance(data, tuple) else data)
                return -k.ops.mean(volume - 0.5 * k.ops.sum(y**2, axis=1)) + sum(self.losses)

            def train_step(self, data):
                loss = self.log_loss(data)
                apply_gradients(self.optimizer, loss, self)
                self.tracker.update_state(loss)
                return {"loss": self.tracker.result()}

            def test_step(self, data):
                self.tracker.update_state(self.log_loss(data))
                return {"loss": self.tracker.result()}

        flow = Flow(4)
        flow(RINGS)
        numbered(flow)
        flow.compile(optimizer=k.optimizers.Adam(0.003))
        history = flow.fit(RINGS, batch_size=12, epochs=2, validation_split=0.25, shuffle=False, verbose=0).history
        return history, flow(RINGS[:3]), len(flow.trainable_weights)

    agree(program)
