"""Run in the environments of other frameworks, without the kit: see `tflitekit.source.foreign.call`."""
