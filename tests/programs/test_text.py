"""Programs about text: characters, words, translation and language models."""

import numpy as np
import torch

import torchkeras as mine

from .common import agree, numbered, numbers

TOKENS = np.random.default_rng(0).integers(1, 12, (16, 6))
TOKENS[:, 4:] *= TOKENS[:, 4:] % 2  # some padding


def test_characters_by_a_recurrent_net():
    def program(k):
        x, y = np.zeros((20, 5, 7), bool), np.zeros((20, 7), bool)
        x[np.arange(20)[:, None], np.arange(5), (np.arange(20)[:, None] + np.arange(5)) % 7] = True
        y[np.arange(20), (np.arange(20) + 5) % 7] = True
        model = numbered(k.Sequential([k.Input((5, 7)), k.layers.LSTM(8), k.layers.Dense(7, activation="softmax")]))
        model.compile(loss="categorical_crossentropy", optimizer=k.optimizers.RMSprop(learning_rate=0.01))
        return model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0).history, model.predict(x[:2], verbose=0)

    agree(program)


def test_an_adder_repeats_what_it_read():
    def program(k):
        model = k.Sequential()
        model.add(k.layers.Input((6, 5)))
        model.add(k.layers.LSTM(8))
        model.add(k.layers.RepeatVector(3))
        model.add(k.layers.LSTM(8, return_sequences=True))
        model.add(k.layers.Dense(5, activation="softmax"))
        numbered(model).compile(loss="categorical_crossentropy", optimizer=k.optimizers.Adam(0.01), metrics=["accuracy"])
        x, y = numbers(0, 12, 6, 5) > 0.7, np.eye(5, dtype=bool)[np.arange(36).reshape(12, 3) % 5]
        history = model.fit(x, y, batch_size=4, epochs=2, validation_data=(x, y), shuffle=False, verbose=0).history
        return history, model.predict(x[:1], verbose=0).argmax(-1)

    agree(program)


def test_translation_with_states_taken_from_a_loaded_model(tmp_path):
    def program(k):
        source, target = k.Input((None, 4)), k.Input((None, 5))
        _, h, c = k.layers.LSTM(6, return_state=True)(source)
        decoded, _, _ = k.layers.LSTM(6, return_sequences=True, return_state=True)(target, initial_state=[h, c])
        model = numbered(k.Model([source, target], k.layers.Dense(5, activation="softmax")(decoded)))
        model.compile("rmsprop", "categorical_crossentropy", metrics=["accuracy"])
        data = [numbers(0, 8, 3, 4), numbers(1, 8, 4, 5)]
        history = model.fit(data, numbers(2, 8, 4, 5), batch_size=4, epochs=2, validation_split=0.25, shuffle=False, verbose=0).history
        path = tmp_path / f"{k.__name__}.keras"
        model.save(path)
        model = k.models.load_model(path)
        _, h, c = model.layers[2].output
        encoder = k.Model(model.input[0], [h, c])
        states = [k.Input((6,)), k.Input((6,))]
        outputs, h, c = model.layers[3](model.input[1], initial_state=states)
        decoder = k.Model([model.input[1], *states], [model.layers[4](outputs), h, c])
        now, words = encoder.predict(data[0][:1], verbose=0), []
        word = np.zeros((1, 1, 5))
        for _ in range(4):
            scores, *now = decoder.predict([word, *now], verbose=0)
            words.append(int(scores[0, -1].argmax()))
            word = np.eye(5)[None, None, words[-1]]
        return history, words, now

    agree(program)


def test_a_translator_with_masks_through_layers_of_ones_own():
    def program(k):
        ops = k.ops

        class Embed(k.layers.Layer):
            def __init__(self, length, words, width, **kwargs):
                super().__init__(**kwargs)
                self.word, self.place = k.layers.Embedding(words, width), k.layers.Embedding(length, width)

            def call(self, tokens):
                return self.word(tokens) + self.place(ops.arange(ops.shape(tokens)[-1]))

            def compute_mask(self, tokens, mask=None):
                return ops.not_equal(tokens, 0)

        class Encode(k.layers.Layer):
            def __init__(self, width, **kwargs):
                super().__init__(**kwargs)
                self.attend, self.norm, self.supports_masking = k.layers.MultiHeadAttention(2, width), k.layers.LayerNormalization(), True

            def call(self, x, mask=None):
                return self.norm(x + self.attend(x, x, attention_mask=None if mask is None else ops.cast(mask[:, None, :], "int32")))

        class Decode(k.layers.Layer):
            def __init__(self, width, **kwargs):
                super().__init__(**kwargs)
                self.inner, self.outer = k.layers.MultiHeadAttention(2, width), k.layers.MultiHeadAttention(2, width)
                self.first, self.second, self.supports_masking = k.layers.LayerNormalization(), k.layers.LayerNormalization(), True

            def call(self, inputs, mask=None):
                x, encoded = inputs
                own, other = (None, None) if mask is None else mask
                steps = ops.arange(ops.shape(x)[1])
                causal = ops.cast(steps[:, None] >= steps, "int32")[None]
                x = self.first(x + self.inner(query=x, value=x, key=x, attention_mask=causal, query_mask=own))
                return self.second(x + self.outer(query=x, value=encoded, key=encoded, query_mask=own, key_mask=other))

        source, target = k.Input((None,), dtype="int64", name="source"), k.Input((None,), dtype="int64", name="target")
        encoded = Encode(8)(Embed(6, 12, 8)(source))
        decoded = Decode(8)([Embed(6, 12, 8)(target), encoded])
        model = k.Model({"source": source, "target": target}, k.layers.Dense(12, activation="softmax")(decoded))
        numbered(model).compile("rmsprop", k.losses.SparseCategoricalCrossentropy(ignore_class=0), metrics=["accuracy"])
        data = {"source": TOKENS, "target": np.roll(TOKENS, 1, 1)}
        history = model.fit(data, TOKENS, batch_size=4, epochs=2, shuffle=False, verbose=0).history
        scores = model({name: value[:2] for name, value in data.items()})
        return history, scores[data["target"][:2] > 0]  # what stands on padding means nothing

    agree(program)


def test_a_language_model_that_looks_back_only():
    def program(k):
        class Speak(k.callbacks.Callback):
            def __init__(self):
                super().__init__()
                self.words = []

            def on_epoch_end(self, epoch, logs=None):
                scores, _ = self.model.predict(TOKENS[:1], verbose=0)
                values, words = k.ops.top_k(scores[0, -1], k=3, sorted=True)
                shares = k.activations.softmax(k.ops.expand_dims(values, 0))[0]
                self.words.append((np.asarray(words).astype("int32"), np.asarray(shares).astype("float32")))

        tokens = k.layers.Input((6,), dtype="int32")
        x = k.layers.Embedding(12, 8)(tokens)
        x = k.layers.LayerNormalization(epsilon=1e-6)(x + k.layers.MultiHeadAttention(2, 8)(x, x, use_causal_mask=True))
        model = numbered(k.Model(tokens, [k.layers.Dense(12)(x), x]))
        model.compile("adam", loss=[k.losses.SparseCategoricalCrossentropy(from_logits=True), None])
        speak = Speak()
        history = model.fit(TOKENS, np.roll(TOKENS, -1, 1), batch_size=4, epochs=2, callbacks=[speak], shuffle=False, verbose=0).history
        return history, speak.words

    agree(program)


def test_words_with_tags_and_a_loss_that_passes_over_padding():
    def program(k):
        class Tags(k.losses.Loss):
            def __init__(self, name="tags"):
                super().__init__(name=name)

            def call(self, y, scores):
                losses = k.losses.SparseCategoricalCrossentropy(from_logits=False, reduction=None)(y, scores)
                kept = k.ops.cast(y > 0, "float32")
                return k.ops.sum(losses * kept) / k.ops.sum(kept)

        class Tagger(k.Model):
            def __init__(self, words, tags):
                super().__init__()
                self.embed, self.drop = k.layers.Embedding(words, 8), k.layers.Dropout(0.0)
                self.hidden, self.out = k.layers.Dense(8, activation="relu"), k.layers.Dense(tags, activation="softmax")

            def call(self, tokens, training=False):
                return self.out(self.hidden(self.drop(self.embed(tokens), training=training)))

        model = Tagger(12, 4)
        model(TOKENS[:1])
        numbered(model).compile(optimizer="adam", loss=Tags())
        return model.fit(TOKENS, TOKENS % 4, batch_size=8, epochs=3, shuffle=False, verbose=0).history

    agree(program)


def test_moods_of_sentences():
    good, bad = "good great fine lovely nice".split(), "bad awful poor nasty sad".split()
    draw = np.random.default_rng(0)
    moods = draw.integers(0, 2, 120)
    filler = "the film was a very long one".split()
    texts = [" ".join([*draw.choice(filler, 4), draw.choice(good if mood else bad), *draw.choice(filler, 2)]) for mood in moods]
    tokenizer = mine.preprocessing.text.Tokenizer(num_words=30, oov_token="?")
    tokenizer.fit_on_texts(texts[:100])
    x = mine.utils.pad_sequences(tokenizer.texts_to_sequences(texts), maxlen=8, padding="post")
    mine.utils.set_random_seed(0)
    model = mine.Sequential([
        mine.layers.Embedding(30, 8, mask_zero=True), mine.layers.Bidirectional(mine.layers.LSTM(8)),
        mine.layers.Dense(1, activation="sigmoid"),
    ])  # fmt: skip
    model.compile(mine.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    model.fit(x[:100], moods[:100], epochs=8, batch_size=20, verbose=0)
    assert model.evaluate(x[100:], moods[100:], verbose=0)[1] > 0.9


def test_raw_texts_go_through_a_saved_model(tmp_path):
    texts, labels = np.array(["a cat", "the dog ran", "a cat sat", "dog and dog"] * 6), np.array([0, 1, 0, 1] * 6)
    vectorize = mine.layers.TextVectorization(max_tokens=20, output_sequence_length=4)
    vectorize.adapt(texts)
    inputs = mine.Input((), dtype="string")
    h = mine.layers.GlobalAveragePooling1D()(mine.layers.Embedding(20, 4)(vectorize(inputs)))
    model = mine.Model(inputs, mine.layers.Dense(1, activation="sigmoid")(h))
    model.compile(mine.optimizers.Adam(0.1), "binary_crossentropy", metrics=["accuracy"])
    assert model.fit(texts, labels, epochs=10, verbose=0).history["accuracy"][-1] == 1
    model.save(tmp_path / "moods.keras")
    loaded = mine.models.load_model(tmp_path / "moods.keras")
    torch.testing.assert_close(loaded(np.array(["the cat", "a dog"])), model(np.array(["the cat", "a dog"])))
