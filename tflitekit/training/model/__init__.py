"""Any Keras model as a flat tf_keras model that computes the same."""
