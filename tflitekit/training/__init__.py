"""What training-time compression needs: a model that tensorflow-model-optimization can train, made from any ordinary one.

`rebuild` makes a flat tf_keras model of it and proves that both compute the same, `annotate` says for each layer how it is
quantized, `preflight` shows that as a table. `operations` and `quantize_configs` define Keras classes, so they import
TensorFlow when they are imported: only functions import them.
"""
