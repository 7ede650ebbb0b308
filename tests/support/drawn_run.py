"""The configuration of a small, whole run on drawn lesions."""

CONFIG = """
name = "drawn"
seed = 1
graphs = ["openvino-fp32", "keras"]
evaluation_views = 2

[data]
name = "drawn lesions"
citation = "Nobody."
licence = "none"
metadata = "HAM10000_metadata.csv"
images = ["HAM10000_images_part_1", "HAM10000_images_part_2"]
split = "lesion"
fractions = [0.70, 0.15, 0.15]

[model]
backbone = "efficientnetv2-b0"
weights = "random"
dropout = 0.3
preprocessing = { size = 64, fit = "center-crop" }

[augment]
horizontal_flip = true
vertical_flip = true
rotation = 0.5
zoom = 0.15
translation = 0.05
contrast = 0.15
brightness = 0.08
blur_probability = 0.10
erase_probability = 0.25
erase_sides = [0.08, 0.20]
mixup_probability = 0.25
mixup_alpha = 0.4
cutmix_probability = 0.25
cutmix_sides = [0.3, 0.6]

[loss]
kind = "cross_entropy"
label_smoothing = 0.03
class_weights = "balanced"
focal_gamma = 2.0
focal_alpha = 0.25

[optimiser]
batch = 32
weight_decay = 1e-4
clip = 1.0
clip_by = "global"
schedule = "cosine"
plateau_patience = 3
plateau_factor = 0.5
precision = "float32"
distribute = "none"

[warm_up]
layers = 0
epochs = 2
learning_rate = 1e-3
patience = 10

[fine_tune]
layers = 60
epochs = 2
learning_rate = 5e-4
patience = 10
"""
