"""What the training program is made of: data, augmentation, models, recipes, the loop and its records."""
