"""The forms in which rows are shown: terminal, page, document, notebooks, TensorBoard."""
