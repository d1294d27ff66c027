"""A Keras model in a hand-written torch loop, with an optimizer and a scheduler of torch."""

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

import torchkeras as keras
from torchkeras import layers

keras.utils.set_random_seed(0)
(x_train, y_train), (x_test, y_test) = keras.datasets.digits.load_data()
x_train, x_test = (torch.tensor(x / 16, dtype=torch.float32) for x in (x_train, x_test))
y_train, y_test = (torch.tensor(y, dtype=torch.int64) for y in (y_train, y_test))

model = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), layers.Dense(64, "relu"), layers.Dropout(0.2), layers.Dense(10)])
device = next(model.parameters()).device
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=1e-3)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=10 * 23)
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True)

for epoch in range(10):
    model.train()
    total = 0.0
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        total += loss.item() * len(x)
    model.eval()
    with torch.no_grad():
        right = (model(x_test.to(device)).argmax(-1).cpu() == y_test).float().mean().item()
    print(f"epoch {epoch + 1:2}  loss {total / len(x_train):.3f}  test accuracy {right:.3f}")

# Output:
# epoch  1  loss 2.259  test accuracy 0.544
# epoch  2  loss 1.520  test accuracy 0.872
# epoch  3  loss 0.581  test accuracy 0.944
# epoch  4  loss 0.306  test accuracy 0.950
# epoch  5  loss 0.223  test accuracy 0.958
# epoch  6  loss 0.183  test accuracy 0.967
# epoch  7  loss 0.151  test accuracy 0.969
# epoch  8  loss 0.146  test accuracy 0.967
# epoch  9  loss 0.138  test accuracy 0.969
# epoch 10  loss 0.127  test accuracy 0.969
