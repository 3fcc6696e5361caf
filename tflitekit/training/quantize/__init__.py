"""Quantization-aware training: what each layer gets."""
