package androidx.test.platform.app;

import android.app.Instrumentation;
import android.os.Bundle;

/** Holds the instrumentation of the running test; {@code null} between tests. */
public final class InstrumentationRegistry {
  private static volatile Instrumentation instrumentation;

  private InstrumentationRegistry() {}

  public static void registerInstance(Instrumentation instance, Bundle arguments) {
    instrumentation = instance;
  }

  public static Instrumentation getInstrumentation() {
    return instrumentation;
  }
}
