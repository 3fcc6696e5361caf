package androidx.test.runner.intent;

/** No stubber is ever loaded: intents go to Robolectric's shadows. */
public final class IntentStubberRegistry {
  private IntentStubberRegistry() {}

  public static boolean isLoaded() {
    return false;
  }

  public static IntentStubber getInstance() {
    throw new IllegalStateException("no IntentStubber is loaded");
  }
}
