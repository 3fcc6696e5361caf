package org.tensorflow.lite;

/**
 * Loads the desktop build of the JNI library.
 *
 * <p>It lives in this package because a native library belongs to the class loader that loads it, and the tests keep
 * {@code org.tensorflow.lite} out of Robolectric's sandbox class loaders.
 */
public final class DesktopRuntime {
  static {
    System.loadLibrary("tensorflowlite_jni");
  }

  private DesktopRuntime() {}

  public static void load() {}
}
