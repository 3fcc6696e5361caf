"""Builds the demo app into a signed APK without Android's SDK, Gradle or Google's Maven repository.

One module for each step: `settings`, `tools`, `artifacts`, `sources` (bundle and manifest), `resources`, `classes`, `archive`,
`signing`. `build` runs them in order; `check` looks at what came out.
"""
