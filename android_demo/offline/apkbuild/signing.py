"""Signs the APK, with the key that Android Studio signs debug builds with unless another is given."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tflitekit.core.errors import UsageError

from .settings import Settings
from .tools import run

__all__ = ["Key", "debug_key", "sign", "verify"]


@dataclass(frozen=True)
class Key:
    """A key in a keystore.

    Attributes:
        password: As apksigner takes it: ``pass:WORD``, ``env:VARIABLE``, ``file:PATH`` or ``stdin``.
        alias: Of the key; None where the keystore has one only.
    """

    keystore: Path
    password: str
    alias: str | None = None

    def check(self) -> None:
        """Raises `UsageError` if there is no such keystore."""
        if not self.keystore.is_file():
            raise UsageError(f"There is no keystore {self.keystore}.")


def debug_key() -> Key:
    """Returns the debug key of this user, the same as Android Studio's; makes it if there is none.

    An RSA key: its signatures (PKCS #1 v1.5) are always the same for the same APK, those of an elliptic curve are not.

    Raises:
        BuildError: keytool cannot write it.
    """
    home = os.environ.get("ANDROID_USER_HOME")
    keystore = (Path(home) if home else Path.home() / ".android") / "debug.keystore"
    key = Key(keystore, "pass:android", "androiddebugkey")
    if not keystore.is_file():
        keystore.parent.mkdir(parents=True, exist_ok=True)
        run(
            "Making the debug key",
            [
                "keytool", "-genkeypair", "-keystore", keystore, "-storetype", "PKCS12", "-storepass", "android",
                "-alias", "androiddebugkey", "-keypass", "android", "-keyalg", "RSA", "-keysize", 2048, "-validity", 10950,
                "-dname", "CN=Android Debug,O=Android,C=US",
            ],
        )  # fmt: skip
    return key


def sign(unsigned: Path, out: Path, key: Key, settings: Settings) -> None:
    """Signs an aligned APK with schemes v2 and v3; v1 is for devices older than minSdk.

    Raises:
        BuildError: The password is wrong.
    """
    run(
        "Signing",
        [
            "apksigner", "sign", "--ks", key.keystore, "--ks-pass", key.password,
            *(["--ks-key-alias", key.alias] if key.alias else []), "--min-sdk-version", settings.min_sdk,
            "--v1-signing-enabled", "false", "--v2-signing-enabled", "true", "--v3-signing-enabled", "true",
            "--v4-signing-enabled", "false", "--in", unsigned, "--out", out,
        ],
    )  # fmt: skip


def verify(apk: Path, settings: Settings) -> str:
    """Verifies the signatures and returns what apksigner says of them.

    Raises:
        BuildError: They do not fit.
    """
    return run(
        "Verifying the signature",
        ["apksigner", "verify", "--verbose", "--print-certs", "--min-sdk-version", settings.min_sdk, apk],
    )
