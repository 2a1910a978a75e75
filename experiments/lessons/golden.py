"""The small network that the lecture's algorithms are worked out on; the first column of each matrix is the bias."""

import torch

X = torch.tensor([1.0, 2.0], dtype=torch.float64)
T = torch.tensor([1.0], dtype=torch.float64)
W1 = torch.tensor([[0.1, 0.5, -0.3], [-0.2, 0.8, 0.4]], dtype=torch.float64)
W2 = torch.tensor([[0.05, 0.7, -0.6]], dtype=torch.float64)
