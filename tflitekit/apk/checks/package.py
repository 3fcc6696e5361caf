"""Would Play take the package, and would a device install it?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from tflitekit.apk import play
from tflitekit.apk.report import ApkFinding, ApkReport
from tflitekit.apk.words import day, listed

__all__ = ["alignment", "release_build", "signatures", "splits", "target_sdk"]

_ANDROID_7, _ANDROID_9, _ANDROID_11 = 24, 28, 30
_BEHAVIOR_11 = "https://developer.android.com/about/versions/11/behavior-changes-11"
_ZIPALIGN = "https://developer.android.com/tools/zipalign"
_SIGNING = "https://source.android.com/docs/security/features/apksigning"


def target_sdk(report: ApkReport) -> Iterator[ApkFinding]:
    """Does it target a version of Android that Play still takes?"""
    form, on = play.form_factor(report.manifest.features), date.fromisoformat(report.play_rules_of)
    if on >= play.KNOWN_UNTIL:
        yield ApkFinding(
            kind="play-rules-old",
            severity="note",
            stage="Play",
            message=f"This version of tflitekit knows Play's rules until {play.KNOWN_UNTIL:%B %Y} only.",
            advice="Look up the target API level that Play now requires, or update tflitekit.",
            source=play.SOURCE_TARGET_SDK,
        )
    rule = play.required_target_sdk(form, on)
    target = report.manifest.target_sdk
    if rule is None or target is None or target >= rule[0]:
        return
    level, since = rule
    apps = "apps" if form == "phone" else f"apps for a {form}"
    yield ApkFinding(
        kind="target-sdk-too-low",
        severity="error",
        stage="Play",
        message=f"targetSdk is {target}. Play has required {level} of new {apps} and updates since {day(since)}.",
        advice=f"Set targetSdk to {level}, and test what changes with it. Apps outside Play are not affected.",
        source=play.SOURCE_TARGET_SDK,
    )


def release_build(report: ApkReport) -> Iterator[ApkFinding]:
    """Is it built for release?"""
    if report.manifest.debuggable:
        yield ApkFinding(
            kind="debuggable",
            severity="error",
            stage="Play",
            message="It is debuggable: anyone with the device can read and change the app's memory and data.",
            advice="Build the release variant, 'gradlew assembleRelease'.",
            source=play.SOURCE_PUBLISHING,
        )
    if report.manifest.test_only:
        yield ApkFinding(
            kind="test-only",
            severity="error",
            stage="install",
            message="It is marked testOnly: it installs only with 'adb install -t'.",
            advice="Android Studio's Run button makes such APKs. Use Build > Build APK, or gradlew.",
            source="https://developer.android.com/guide/topics/manifest/application-element#testOnly",
        )
    if report.signing.debug_certificate:
        yield ApkFinding(
            kind="debug-certificate",
            severity="error",
            stage="Play",
            message="It is signed with a debug key.",
            advice="Sign the release with your own key, and keep it: updates need it.",
            source="https://developer.android.com/studio/publish/app-signing#debug-mode",
        )


def signatures(report: ApkReport) -> Iterator[ApkFinding]:
    """Are the signatures there that its devices want?"""
    schemes, minimum, target = report.signing.schemes, report.manifest.min_sdk, report.manifest.target_sdk
    if not schemes:
        yield ApkFinding(
            kind="unsigned",
            severity="error",
            stage="install",
            message="It is not signed: no device installs it.",
            advice="Sign it: 'apksigner sign --ks my.keystore app.apk', after zipalign.",
            source=_SIGNING,
        )
    elif schemes == ("v1",) and target is not None and target >= _ANDROID_11:
        yield ApkFinding(
            kind="only-v1-signature",
            severity="error",
            stage="install",
            message=f"It has a v1 signature only. With targetSdk {target}, Android 11 and newer refuse to install it.",
            advice="Sign it with apksigner instead of jarsigner: that adds v2 and v3.",
            source=_BEHAVIOR_11,
        )
    elif "v1" not in schemes and minimum is not None and minimum < _ANDROID_7:
        yield ApkFinding(
            kind="no-v1-signature",
            severity="error",
            stage="install",
            message=f"minSdk is {minimum}, but Android before 7.0 (API 24) knows only v1 signatures, and it has none.",
            advice=f"Sign with 'apksigner sign --min-sdk-version {minimum}', or raise minSdk to 24.",
            source=_SIGNING,
        )
    elif "v2" not in schemes and "v3" in schemes and minimum is not None and minimum < _ANDROID_9:
        yield ApkFinding(
            kind="no-v2-signature",
            severity="error",
            stage="install",
            message=f"minSdk is {minimum}, but Android before 9 (API 28) does not know v3 signatures, and it has no v2 signature.",
            advice="Sign with both, as apksigner does by default.",
            source=_SIGNING,
        )


def alignment(report: ApkReport) -> Iterator[ApkFinding]:
    """Can what is stored be used from the APK as it is?"""
    if report.misaligned:
        yield ApkFinding(
            kind="not-zip-aligned",
            severity="error",
            stage="Play",
            message=f"Not aligned to 4 bytes: {listed(report.misaligned)}.",
            advice="Run 'zipalign -P 16 4 in.apk out.apk' before signing. Gradle does this automatically.",
            subjects=report.misaligned,
            source=_ZIPALIGN,
        )
    target = report.manifest.target_sdk
    if not report.resources_mappable and target is not None and target >= _ANDROID_11:
        yield ApkFinding(
            kind="resources-not-mappable",
            severity="error",
            stage="install",
            message="resources.arsc is compressed or not aligned to 4 bytes. "
            f"With targetSdk {target}, Android 11 and newer refuse to install the app.",
            advice="Store it uncompressed ('zip -0', or -n .arsc), and run zipalign.",
            subjects=("resources.arsc",),
            source=_BEHAVIOR_11,
        )


def splits(report: ApkReport) -> Iterator[ApkFinding]:
    """Is this the whole app?"""
    manifest = report.manifest
    if manifest.split or manifest.needs_splits:
        what = f"is the split '{manifest.split}' of an app" if manifest.split else "is a base APK that needs its splits"
        yield ApkFinding(
            kind="not-the-whole-app",
            severity="note",
            stage="run",
            message=f"This APK {what}: libraries and models may be in the others, which were not examined.",
            advice="For a single APK with everything: 'bundletool build-apks --mode=universal'.",
            source="https://developer.android.com/tools/bundletool",
        )
