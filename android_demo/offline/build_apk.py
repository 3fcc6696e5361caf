"""Builds the demo app into a signed APK with Debian's tools and Maven Central: no Android SDK, no Gradle.

Example:
    python android_demo/offline/build_apk.py --bundle build/bundle --out demo.apk
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from apkbuild.build import Built, build
from apkbuild.settings import PROJECT, read_settings
from apkbuild.signing import Key, debug_key
from apkbuild.tools import missing, require

from tflitekit.core.errors import TflitekitError
from tflitekit.core.files import content_hash


def main() -> int:
    arguments = _parser().parse_args()
    if arguments.missing:
        sys.stdout.write("".join(f"{package}\n" for package in missing()))
        return 0
    try:
        settings = read_settings()
        if arguments.abi:
            settings = replace(settings, abis=tuple(arguments.abi.split(",")))
        require()
        key = Key(arguments.keystore, arguments.ks_pass, arguments.key_alias) if arguments.keystore else debug_key()
        built = build(
            settings,
            out=arguments.out,
            key=key,
            bundle=arguments.bundle,
            gpu="gpu" not in arguments.without,
            check=arguments.check,
        )
    except TflitekitError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    _report(built)
    return 0 if built.ok else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--bundle", type=Path, metavar="FOLDER", help="from 'tflitekit bundle' [the one in app/src/main/assets]"
    )
    parser.add_argument(
        "--out", type=Path, default=PROJECT / "build" / "tflitekit-demo.apk", metavar="FILE", help="[%(default)s]"
    )
    parser.add_argument(
        "--keystore", type=Path, metavar="FILE", help="signs the APK [~/.android/debug.keystore, made if missing]"
    )
    parser.add_argument(
        "--ks-pass",
        default="pass:android",
        metavar="HOW",
        help="as apksigner takes it: env:NAME, file:PATH, stdin, pass:WORD",
    )
    parser.add_argument("--key-alias", metavar="NAME", help="[the only key in the keystore]")
    parser.add_argument(
        "--abi", metavar="LIST", help="native libraries, as arm64-v8a,x86_64 [those of gradle.properties]"
    )
    parser.add_argument(
        "--without", action="append", default=[], choices=["gpu"], help="leave out the GPU delegate's native libraries"
    )
    parser.add_argument(
        "--check", action=argparse.BooleanOptionalAction, default=True, help="look at what came out [yes]"
    )
    parser.add_argument(
        "--missing", action="store_true", help="only list the Debian packages that are needed and not installed"
    )
    return parser


def _report(built: Built) -> None:
    for check in built.checks:
        sys.stdout.write(f"{'ok  ' if check.ok else 'FAIL'} {check.name}\n")
        sys.stdout.writelines(f"     {line}\n" for line in (*check.problems, *check.notes))
    size = built.apk.stat().st_size
    sys.stdout.write(f"{built.apk}: {size / 1e6:.1f} MB, sha256 {content_hash(built.apk)}\n")


if __name__ == "__main__":
    sys.exit(main())
