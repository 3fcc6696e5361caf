"""Takes the pictures of the Android app in the README: python docs/images/make_android_pictures.py

The app's test PicturesTest draws the screens, with real results of the default bundle. Needs a JDK, Maven, aapt2, and the dev extra.
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WIDTH = 540

sys.path.insert(0, str(ROOT / "tests"))

from android_jvm import maven, maven_command  # noqa: E402

with tempfile.TemporaryDirectory() as folder:
    wanted = "-Dtest=PicturesTest", "-Dsurefire.failIfNoSpecifiedTests=false"
    maven(*maven_command(ROOT / "android_demo", screens=folder), *wanted)
    for path in sorted(Path(folder).glob("*.png")):
        with Image.open(path) as picture:
            height = round(picture.height * WIDTH / picture.width)
            small = picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
        colors = small.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
        colors.save(HERE / f"android-{path.name}", optimize=True)
