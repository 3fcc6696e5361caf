"""The far side of `tflitekit.targets.remote`: runs wherever there are Python, NumPy and a runtime, without the kit.

``python FOLDER ENGINE`` with this folder copied anywhere: it speaks frames over standard input and output (see `frames`). An engine
is one file here: the runtime that loads files and computes.
"""
