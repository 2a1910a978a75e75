"""The lecture's three examples, whose scores serve every loss (S23)."""

import torch

CLASSES = ("cat", "car", "frog")
SCORES = torch.tensor([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]], dtype=torch.float64)
TARGET = torch.tensor([0, 1, 2])
